from pathlib import Path

from studio.config import RunConfig
from studio.planning.background import InBackground
from studio.planning.fitting import Parts, parts
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from tests.ui.fake_studio import brought


def test_the_parts_are_those_that_the_run_gets(studio: Studio, facts: ModelFacts, mixed_lengths: Path) -> None:
    dataset = brought(studio, mixed_lengths)
    settings = RunConfig(validation_share=0.25)
    counted = parts(facts, settings, dataset.id)
    assert (counted.train + counted.held_out, counted.too_long) == (9, 3)
    run = studio.start_run(settings, dataset.id)
    learned = len(run.train_path.read_text().splitlines())
    assert learned == 9 == counted.train + counted.too_long - _held_out_too_long(facts, dataset.id, settings)


def _held_out_too_long(facts: ModelFacts, dataset_id: str, settings: RunConfig) -> int:
    counts = facts.token_state(dataset_id, "starter").result
    assert counts is not None
    aside = facts.split(dataset_id, share=settings.validation_share, seed=settings.seed, stratify=True).validation
    return int(sum(counts.lengths[place] > settings.max_length for place in aside))


def test_cut_examples_stay_and_count_as_far_as_they_are_read(
    studio: Studio, facts: ModelFacts, mixed_lengths: Path
) -> None:
    dataset = brought(studio, mixed_lengths)
    whole = parts(facts, RunConfig(validation_share=0.0, max_length=10_000), dataset.id)
    cut = parts(facts, RunConfig(validation_share=0.0, overlong="cut"), dataset.id)
    assert (cut.train, cut.too_long) == (12, 0)
    assert cut.train_tokens < whole.train_tokens
    assert cut.train_tokens - 3 * 512 == parts(facts, RunConfig(validation_share=0.0), dataset.id).train_tokens


def test_another_data_set_is_held_out_whole(
    studio: Studio, facts: ModelFacts, table: Path, mixed_lengths: Path
) -> None:
    found = parts(facts, RunConfig(), brought(studio, table).id, brought(studio, mixed_lengths).id)
    assert (found.train, found.held_out, found.too_long) == (10, 9, 0)


def test_nothing_to_learn_from_is_no_trouble(studio: Studio, facts: ModelFacts, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n}" for n in range(9)) + "\n")
    assert parts(facts, RunConfig(), brought(studio, path).id) == Parts()


def test_the_examples_stay_on_disk(studio: Studio, facts: ModelFacts, table: Path) -> None:
    examples = facts.examples(brought(studio, table).id)
    assert not isinstance(examples, tuple | list)
    assert facts.examples(examples.path.parent.name) is examples


def test_an_answer_is_looked_for_once() -> None:
    asked: list[int] = []

    def find(key: int) -> int | None:
        asked.append(key)
        return None

    answers = InBackground(find)
    answers.get(1)
    while answers.is_working(1):
        pass
    assert answers.get(1) is None
    assert asked == [1]
