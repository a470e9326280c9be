"""What is too long for a run, as a finding beside those of the checks: it depends on the model and the settings."""

from studio.config import RunConfig
from studio.data.checking.findings import MOST_PLACES, WARNING, Finding
from studio.data.tokenizing.tokens import TokenCounts
from studio.wording import counted

KIND = "too-long"


def length_findings(counts: TokenCounts | None, settings: RunConfig) -> tuple[Finding, ...]:
    """Say how many examples have more tokens than a run takes; nothing while they are not counted."""
    if counts is None:
        return ()
    import numpy as np

    places = np.flatnonzero(counts.lengths > settings.max_length)
    if not len(places):
        return ()
    found = counted(len(places), "example")
    is_cut = settings.overlong == "cut"
    return (
        Finding(
            KIND,
            WARNING,
            f"{found} too long, shortened for the training" if is_cut else f"{found} too long, skipped in the training",
            f"At most {counted(settings.max_length, 'token')} are learned. Shorten the text, or set 'Longest example' "
            "higher on the Configure tab.",
            len(places),
            places=tuple(int(place) for place in places[:MOST_PLACES]),
        ),
    )
