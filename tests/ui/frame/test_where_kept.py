"""The line on a Space and a mirror: a laptop has none."""

import pytest

from studio.mirror.state import BRINGING_BACK, COPYING, KEPT, STOPPED, MirrorState
from studio.settings import Space
from studio.ui.frame.header import machine
from studio.ui.frame.where_kept import mirror_sentence, where_kept

SMALL = Space("me/studio", cores=2, memory_gib=16)


def test_a_laptop_has_no_such_line() -> None:
    assert where_kept(None, None, now=0.0) == ""


def test_a_space_says_what_it_has_and_that_nothing_is_kept() -> None:
    drawn = where_kept(SMALL, None, now=0.0)
    for said in ("2 CPUs and 16 GB of memory.", "sleeps after 48 hours", "is gone when it sleeps or restarts"):
        assert said in drawn
    assert 'href="https://huggingface.co/spaces/me/studio?duplicate=true"' in drawn
    assert machine([], SMALL) == "2 CPU cores, 16 GB memory"


def test_a_space_with_a_gpu_does_not_sleep_by_itself() -> None:
    drawn = where_kept(Space("me/studio", cores=4, memory_gib=15, accelerator="t4-small"), None, now=0.0)
    assert "This Space has 4 CPUs, 15 GB of memory and the GPU t4-small." in drawn
    assert "48 hours" not in drawn


def test_zero_gpu_is_not_promised() -> None:
    drawn = where_kept(Space("me/studio", is_zero_gpu=True), None, now=0.0)
    assert "It runs on ZeroGPU, which this studio cannot use" in drawn


def test_what_is_not_told_is_not_said() -> None:
    assert "This is a Space on Hugging Face." in where_kept(Space("me/studio"), None, now=0.0)
    assert "<script>" not in where_kept(Space("me/<script>"), None, now=0.0)


@pytest.mark.parametrize(
    ("state", "kind", "said"),
    [
        (MirrorState("me/b"), "busy", "Looking for what is kept in the bucket me/b."),
        (MirrorState("me/b", BRINGING_BACK, 10**9, 3 * 10**9), "busy", "comes back: 1.0 GB of 3.0 GB."),
        (MirrorState("me/b", COPYING), "busy", "is being copied to the private bucket me/b."),
        (MirrorState("me/b", COPYING, kept_at=900.0), "good", "as well: last copied about 2 minutes ago."),
        (MirrorState("me/b", COPYING, kept_at=400.0), "warning", "as well: last copied about 10 minutes ago."),
        (MirrorState("me/b", KEPT, kept_at=1000.0), "good", "last copied less than a minute ago."),
        (MirrorState("me/b", KEPT, trouble="Refused.", hint="Do this."), "warning", "Refused."),
        (MirrorState("me/b", STOPPED, trouble="Another studio."), "bad", "Another studio."),
    ],
)
def test_a_mirror_says_where_and_since_when(state: MirrorState, kind: str, said: str) -> None:
    found, sentence, _ = mirror_sentence(state, now=1000.0)
    assert (found, said in sentence) == (kind, True), sentence


def test_trouble_says_how_old_the_copy_is() -> None:
    state = MirrorState("me/b", KEPT, kept_at=400.0, trouble="Refused.", hint="Do this.")
    assert mirror_sentence(state, now=1000.0)[2] == "Do this. The newest copy is about 10 minutes old."
