"""What is known of a group of runs before it starts, and how one is found by its name."""

from dataclasses import replace

import pytest

from studio.config import RunConfig
from studio.errors import RunError
from studio.jobs.variants import variants
from studio.planning.groups import expected, group_named, groups_of, look
from studio.planning.model_facts import ModelFacts
from studio.runs.store import DATA_TRIED, RunGroup
from studio.runs.summary import Summary
from studio.studio import Studio
from tests.planning.fake_forecasts import Oracle

RUN = Summary(
    id="a",
    name="shop, rank 8",
    note="",
    dataset="Shop",
    model="starter",
    base="starter",
    method="lora",
    rank=8,
    learning_rate=5e-4,
    epochs=3,
    created=1.0,
    group="1" * 16,
    group_name="shop",
)
RUNS = (
    RUN,
    replace(RUN, id="b", created=2.0),
    replace(RUN, id="c", created=3.0, group="2" * 16, group_name="Tone"),
    replace(RUN, id="d", created=4.0, group="3" * 16, group_name="tone"),
    replace(RUN, id="e", created=5.0, group="", group_name=""),
)


def test_all_runs_are_estimated_together(studio: Studio) -> None:
    facts = ModelFacts(studio, forecasts=Oracle(needs={"full": 9_000_000_000}).forecasts())
    data = studio.data.add_sample("order_slips")
    planned = variants(RunConfig(epochs=1), [(data.id, "shop")], {"rank": (8, 16), "method": ("lora", "full")})
    found = expected(facts, planned)
    assert (found.runs, found.unknown, found.disk_bytes) == (3, 0, 9_000_000)
    assert found.seconds is not None
    seconds = 10.0 * (8 + 16 + 16)  # as the oracle has it: ten seconds for each step of the rank
    least, most = found.seconds
    assert (least, most) == pytest.approx((0.7 * seconds, 1.8 * seconds))
    assert found.too_large == ("every weight",)


def test_what_is_not_known_is_counted(studio: Studio) -> None:
    data = studio.data.add_sample("order_slips")
    planned = variants(RunConfig(), [(data.id, "shop"), ("gone", "gone")], {"rank": (8, 16)})
    found = expected(ModelFacts(studio, forecasts=Oracle().forecasts()), planned)
    assert (found.runs, found.unknown) == (4, 2)
    found = expected(ModelFacts(studio, forecasts=Oracle(model=None).forecasts()), planned)
    assert (found.unknown, found.seconds, found.disk_bytes) == (4, None, 0)


def test_the_group_of_the_newest_run_comes_first() -> None:
    found = groups_of(RUNS)
    assert [[run.id for run in members] for members in found.values()] == [["d"], ["c"], ["a", "b"]]


def test_a_group_is_found_by_its_name_or_its_id() -> None:
    assert [run.id for run in group_named(RUNS, " SHOP ")] == ["a", "b"]
    assert [run.id for run in group_named(RUNS, "3" * 16)] == ["d"]
    with pytest.raises(RunError, match=f"2 groups have the name 'tone'. Give one of these instead: {'3' * 16}"):
        group_named(RUNS, "tone")
    with pytest.raises(RunError, match="There is no group of runs ''"):
        group_named(RUNS[4:], "")


def test_only_settings_are_shown_of_a_group(studio: Studio) -> None:
    """What a file says was tried is read by its name from the settings, which have methods too."""
    group = RunGroup("0" * 16, "shop", ("total_steps", "__dict__", "seed", DATA_TRIED))
    data = {"dataset_id": "d", "dataset_name": "Shop", "dataset_sha256": "ab", "train": (), "validation": ()}
    studio.runs.create(RunConfig(model="/home/anna/secret", seed=7), group=group, **data)
    seen = look(studio, studio.summaries.look(fresh=True).runs)
    assert seen is not None
    assert seen.members[0].values == ("", "", "7", "Shop")
