"""What the check of a place found, in sentences: the same on the page and on the command line."""

from studio.jobs.places.book import Check, Place
from studio.jobs.places.protocol import Facts
from studio.wording import brief_duration, counted, dollars, size


def found_in_words(check: Check, place: Place) -> tuple[str, ...]:
    """Say what a check of a place found, in sentences."""
    facts = check.facts
    if check.trouble or facts is None:
        return (f"{check.trouble} {check.hint}".strip(),)
    if facts.price_per_hour:
        return (*_rented(facts, place), *check.doubts)
    cards = f", {', '.join(facts.gpus)} with {size(facts.gpu_memory_gib * 2**30)}" if facts.gpus else ", no GPU"
    torch = dict(facts.versions).get("torch", "")
    memory, disk = size(facts.memory_gib * 2**30), size(facts.disk_gib * 2**30)
    several = (f"One run can train on up to {facts.nodes:,} nodes at once.",) if facts.nodes > 1 else ()
    return (
        f"A job there ran on {facts.host}: {counted(facts.cores, 'core')}{cards}, {memory} of memory and {disk} of "
        f"disk free, Python {facts.python}, torch {torch}.",
        *several,
        *check.doubts,
    )


def price_in_words(facts: Facts, place: Place) -> str:
    """Say what a run at a rented place costs at most, and how long that lasts; empty for a place that is not rented."""
    if not facts.price_per_hour:
        return ""
    seconds = min(place.cap_usd / facts.price_per_hour, place.hours) * 3600
    return (
        f"An hour costs {dollars(facts.price_per_hour)}, as the Hub says. A run costs at most "
        f"{dollars(place.cap_usd)}, and a job lasts at most {brief_duration(seconds)}."
    )


def _rented(facts: Facts, place: Place) -> tuple[str, ...]:
    return (
        f"Jobs run on {facts.hardware}. {price_in_words(facts, place)}",
        f"{place.namespace} pays for them." if place.namespace else "Whoever trains pays for it.",
        "A file came there and back. No job was started, because it would cost money: whether the image has what a run "
        "needs shows with the first run.",
    )
