"""What a mirror is at, as its process tells it and the page says it."""

from dataclasses import dataclass

BRINGING_BACK = "bringing back"
COPYING = "copying"
KEPT = "kept"
STOPPED = "stopped"


@dataclass(frozen=True)
class MirrorState:
    """How far a mirror is: `BRINGING_BACK`, `COPYING`, `KEPT` or `STOPPED`, with `done` of `total` bytes.

    `kept_at` is when all was in it last, 0 before; `trouble` and `hint` say why it does not go on at the moment.
    `is_whole` says that the data folder has all that the mirror had.
    """

    target: str
    phase: str = BRINGING_BACK
    done: int = 0
    total: int = 0
    kept_at: float = 0.0
    trouble: str = ""
    hint: str = ""
    is_whole: bool = False
