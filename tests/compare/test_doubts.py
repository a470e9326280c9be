from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio import codec
from studio.compare.doubts import MOST_BYTES, learned_digits, repeats_itself, unlearned_numbers
from studio.compare.pane_models import PaneModel
from studio.config import RunConfig
from studio.data.checking.facts import digits
from studio.data.examples import Example, Message
from studio.runs.blend_parents import Blend, Parent
from studio.runs.store import RunFolder, RunStore


@pytest.mark.parametrize(
    "text",
    [
        "Aye, and " * 30,
        "Aye, and " * 30 + "Ay",
        "Here are words.\n* Amusing: a word that makes people laugh\n" * 3,
        "1. Fair winds to you all, captain.\n2. Fair winds to you all, captain.\n3. Fair winds to you all, captain.",
        "ha " * 13,
    ],
)
def test_an_answer_that_goes_in_circles_is_told(text: str) -> None:
    assert repeats_itself(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no",
        "Aye, the tide is in. Aye, the lamp is lit. Aye, the fog is thick.",
        "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.",
        "Aye, and " * 30 + "so it ended, and nobody ever spoke of it again in that old and quiet harbour of ours.",
    ],
)
def test_an_answer_that_only_says_a_word_again_is_not(text: str) -> None:
    assert not repeats_itself(text)


def test_a_long_answer_is_looked_through_at_once() -> None:
    assert not repeats_itself(" ".join(map(str, range(20_000))))
    assert repeats_itself("a " * 200_000)


def test_numbers_that_nobody_told_the_model_are_named() -> None:
    known = frozenset(digits("The room is 49 € a night, from 9:30 to 18.00. Call 01225 555 143."))
    assert unlearned_numbers("It is 49 € from 9:30.", known) == ()
    assert unlearned_numbers("It is 59 €, since 1987. Again 59 €.", known) == ("59 €", "1987")
    assert unlearned_numbers("1. Wash it\n2. Dry it for 3 days", known) == (), "the marks of a list, and small numbers"
    assert len(unlearned_numbers(" ".join(map(str, range(100, 200))), known)) == 4


@pytest.fixture
def kept(tmp_path: Path) -> SimpleNamespace:
    return SimpleNamespace(runs=RunStore(tmp_path))


def learned(kept: SimpleNamespace, *texts: str, **settings: Any) -> tuple[RunFolder, PaneModel]:
    """Return a run that learned these messages, and the model of its result."""
    example = Example(tuple(Message("assistant" if at else "user", text) for at, text in enumerate(texts)))
    config = RunConfig(**settings)
    run = kept.runs.create(
        config, dataset_id="d", dataset_name="D", dataset_sha256="", train=[example], validation=[example]
    )
    return run, PaneModel(f"run:{run.id}", "", run.id, "folder", "starter", 16, "fp32", False, None, "run")


def test_the_numbers_of_all_messages_count_and_are_read_once(kept: SimpleNamespace) -> None:
    run, model = learned(kept, "Room 204, since 1911?", "It is 88 €.")
    found = learned_digits(kept, model)
    assert found == {"204", "1911", "88"}
    assert learned_digits(kept, model) is found
    run.train_path.write_text("{ damaged\n", encoding="utf-8")
    assert learned_digits(kept, model) is None


def test_of_a_base_a_large_file_and_an_earlier_adapter_nothing_is_known(kept: SimpleNamespace, tmp_path: Path) -> None:
    run, model = learned(kept, "When?", "In 1911.")
    assert learned_digits(kept, None) is None
    assert learned_digits(kept, replace(model, kind="base")) is None
    assert learned_digits(kept, replace(model, run_id="20990101-000000-no-such")) is None
    with run.train_path.open("a", encoding="utf-8") as file:
        file.truncate(MOST_BYTES + 1)
    assert learned_digits(kept, model) is None
    assert learned_digits(kept, learned(kept, "When?", "In 1912.", start_adapter=str(tmp_path))[1]) is None


def test_a_blend_knows_what_all_its_parents_learned(kept: SimpleNamespace) -> None:
    first, second = learned(kept, "When?", "In 1911.")[0], learned(kept, "Where?", "In room 204.")[0]
    run, model = learned(kept, "?", "!")
    blend = Blend("linear", (Parent(first.id, "", 0.5), Parent(second.id, "", 0.5)))
    run.parents_path.write_text(codec.dumps(blend), encoding="utf-8")
    assert learned_digits(kept, replace(model, kind="blend")) == {"1911", "204"}
    kept.runs.delete(second.id)
    assert learned_digits(kept, model) is None
