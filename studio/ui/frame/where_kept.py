"""One line at the top of the page: what the Space it runs in has, and where things are kept beside the disk."""

from markupsafe import Markup

from studio.mirror.state import BRINGING_BACK, STOPPED, MirrorState
from studio.settings import Space
from studio.ui.kit import fragments
from studio.wording import duration, size

ZERO_GPU = "It runs on ZeroGPU, which this studio cannot use: choose a CPU or a GPU of its own in its settings."
LATE_SECONDS = 300.0
"""A copy that is older is nothing to rely on, whatever takes so long."""

NOT_KEPT = "What is made in this Space is gone when it sleeps or restarts: download what you need."
HOW_TO_KEEP = "Its owner can have it kept in a private bucket: the README says how."


def where_kept(space: Space | None, mirror: MirrorState | None, *, now: float) -> Markup:
    """Draw the line; nothing where the studio is no Space and has no mirror."""
    if space is None and mirror is None:
        return Markup("")
    if mirror is None:
        kind, said, more = "warning", NOT_KEPT, HOW_TO_KEEP
    else:
        kind, said, more = mirror_sentence(mirror, now=now)
    return fragments.render(
        "frame/where_kept.html",
        kind=kind,
        said=said,
        more=more,
        space=space_sentence(space) if space is not None else "",
        zero_gpu=ZERO_GPU if space is not None and space.is_zero_gpu else "",
        sleeps=space is not None and space.sleeps,
        duplicate=f"https://huggingface.co/spaces/{space.id}?duplicate=true" if space is not None else "",
    )


def space_sentence(space: Space) -> str:
    """Say what machine a Space has, as far as it is told."""
    if not space.cores or not space.memory_gib:
        return "This is a Space on Hugging Face."
    if space.accelerator:
        return f"This Space has {space.cores} CPUs, {space.memory_gib:g} GB of memory and the GPU {space.accelerator}."
    return f"This Space has {space.cores} CPUs and {space.memory_gib:g} GB of memory."


def mirror_sentence(mirror: MirrorState, *, now: float) -> tuple[str, str, str]:
    """Say where things are kept and since when, or what is wrong: a kind as in `fragments.notice`, two sentences."""
    ago = duration(max(0.0, now - mirror.kept_at))
    if mirror.trouble:
        more = f"{mirror.hint} The newest copy is {ago} old." if mirror.kept_at else mirror.hint
        return "bad" if mirror.phase == STOPPED else "warning", mirror.trouble, more
    if mirror.phase == BRINGING_BACK:
        if not mirror.total:
            return "busy", f"Looking for what is kept in the bucket {mirror.target}.", ""
        there = f"{size(mirror.done)} of {size(mirror.total)}"
        return "busy", f"What is kept in the bucket {mirror.target} comes back: {there}.", ""
    if not mirror.kept_at:
        return "busy", f"Everything is being copied to the private bucket {mirror.target}.", ""
    kind = "good" if now - mirror.kept_at < LATE_SECONDS else "warning"
    return kind, f"Everything is kept in the private bucket {mirror.target} as well: last copied {ago} ago.", ""
