"""What the check of a place found, in sentences: the same on the page and on the command line."""

from studio.jobs.places.book import Check
from studio.wording import counted, size


def found_in_words(check: Check) -> tuple[str, ...]:
    """Say what a check found, in sentences."""
    facts = check.facts
    if check.trouble or facts is None:
        return (f"{check.trouble} {check.hint}".strip(),)
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
