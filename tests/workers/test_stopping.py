"""A model that has not learned where to stop goes on to the limit with every answer; the end of its run says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml import loading
from studio.ml.methods import make_trainable
from studio.runs.store import RunFolder
from studio.workers.stopping import runs_on

MakeRun = Callable[..., RunFolder]
FP32 = loading.Placement(device="cpu", precision="fp32")


class EndsAnywhere(ChatRenderer):
    """Takes every token for the end of an answer."""

    end_ids = tuple(range(258))  # type: ignore[assignment]


@pytest.mark.case("68-template-without-an-end")
def test_a_run_whose_answers_all_go_to_the_limit_says_so(make_run: MakeRun, tiny_model: Path) -> None:
    """A run on a template without an end finished with a loss of 0.000 and no word, and no answer ever ended."""
    run = make_run(held_out=0)
    model = make_trainable(loading.load_base(tiny_model, FP32), run.config).eval()
    note = runs_on(model, run, renderer=ChatRenderer.load(tiny_model), pad_id=257)
    assert note is not None
    assert note.level == "warning"
    assert note.text.startswith("None of 3 answers asked for at the end stopped by itself")
    assert runs_on(model, run, renderer=EndsAnywhere.load(tiny_model), pad_id=257) is None


def test_plain_text_and_long_answers_are_not_asked_for(make_run: MakeRun, tiny_model: Path) -> None:
    from studio.data.example_files import write_examples

    run = make_run(held_out=0)
    long = Example((Message("user", "Why?"), Message("assistant", "because " * 20)))
    write_examples(run.train_path, [Example((Message(TEXT, "Only a text."),)), long])
    assert runs_on(None, run, renderer=ChatRenderer.load(tiny_model), pad_id=257) is None
