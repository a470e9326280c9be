"""Which runs a few settings with a few values make, and what they are called."""

import pytest

from studio.config import RunConfig
from studio.errors import ConfigError
from studio.jobs.variants import TRIED, likely_values, read_values, tried_in_words, variants
from studio.limits import MOST_NAME

SHOP = [("d1", "shop")]


def test_all_values_are_tried_with_each_other() -> None:
    found = variants(RunConfig(seed=7), SHOP, {"rank": (8, 16), "learning_rate": (1e-4, 5e-5)})
    assert (found.name, found.tried, found.seed) == ("shop", ("rank", "learning_rate"), 7)
    assert [run.config.name for run in found.runs] == [
        "shop, rank 8, learning rate 0.0001",
        "shop, rank 8, learning rate 5e-5",
        "shop, rank 16, learning rate 0.0001",
        "shop, rank 16, learning rate 5e-5",
    ]
    assert [(run.config.rank, run.config.alpha, run.config.learning_rate) for run in found.runs] == [
        (8, 16, 1e-4),
        (8, 16, 5e-5),
        (16, 32, 1e-4),
        (16, 32, 5e-5),
    ]
    assert {run.dataset_id for run in found.runs} == {"d1"}


def test_alpha_stays_where_it_is_tried_too() -> None:
    found = variants(RunConfig(), SHOP, {"rank": (8, 16), "alpha": (16,)})
    assert [(run.config.rank, run.config.alpha, run.config.name) for run in found.runs] == [
        (8, 16, "shop, rank 8"),
        (16, 16, "shop, rank 16"),
    ]


def test_another_method_has_the_rate_that_suits_it() -> None:
    lora, full = variants(RunConfig(name="mine"), SHOP, {"method": ("lora", "full")}).runs
    assert lora.config.learning_rate == RunConfig().learning_rate
    assert full.config.learning_rate < lora.config.learning_rate
    assert (lora.config.name, full.config.name) == ("mine, LoRA", "mine, every weight")
    _, full = variants(RunConfig(), SHOP, {"method": ("lora", "full"), "learning_rate": (1e-3,)}).runs
    assert full.config.learning_rate == 1e-3, "it was chosen"


def test_every_weight_has_no_rank() -> None:
    """Three runs would have been the same."""
    found = variants(RunConfig(), SHOP, {"rank": (8, 16), "method": ("lora", "full"), "seed": (1, 2)})
    assert [run.says for run in found.runs if run.config.method == "full"] == [
        "every weight, seed 1",
        "every weight, seed 2",
    ]
    assert len(found.runs) == 6


def test_the_same_settings_on_several_data_sets() -> None:
    found = variants(RunConfig(name="tone"), [("d1", "shop"), ("d2", "letters")], {"seed": (1, 2)})
    assert [(run.config.name, run.dataset_id) for run in found.runs] == [
        ("tone, shop, seed 1", "d1"),
        ("tone, shop, seed 2", "d1"),
        ("tone, letters, seed 1", "d2"),
        ("tone, letters, seed 2", "d2"),
    ]
    assert tried_in_words(found.tried) == "Data set and Seed"


def test_names_fit_however_long_they_are() -> None:
    model = "/models/" + "long" * 60
    found = variants(RunConfig(name="n" * 200), SHOP, {"model": (model, "org/small"), "rank": (8, 16)})
    assert all(len(run.config.name) <= MOST_NAME for run in found.runs)
    assert "nnn" in found.runs[0].config.name
    assert found.runs[2].config.name.endswith(", small, rank 8")


def test_values_are_read_as_a_person_writes_them() -> None:
    assert read_values("rank", ["8", " 16", "8", ""]) == (8, 16)
    assert read_values("learning_rate", ["1e-4", "0.0001", "3e-4"]) == (1e-4, 3e-4)
    assert read_values("method", ["lora", "full"]) == ("lora", "full")


@pytest.mark.parametrize(
    ("name", "texts", "said"),
    [
        ("rank", ["eight"], "Rank must be a number; found 'eight'"),
        ("rank", ["1e999"], "Rank must be a number"),
        ("rank", ["9" * 400], "Rank must be a number"),
        ("rank", [], "Rank: no values to try can be read, none is given"),
        ("rank", ["8"] * 101, "101 are given"),
        ("max_length", ["64"], "'max_length' cannot be tried with several values. These can: learning_rate"),
        ("validation_share", ["0.2"], "cannot be tried"),
    ],
)
def test_what_cannot_be_a_value_is_a_sentence(name: str, texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_values(name, texts)


@pytest.mark.parametrize(
    ("tried", "said"),
    [
        ({"rank": (8, 1000)}, "Rank 1000: Rank must be between 1 and 512; found 1000"),
        ({"rank": (8.5,)}, "Rank must be a whole number"),
        ({"method": ("lora", "magic")}, "Magic: Method must be one of"),
        ({"rank": (1,), "alpha": (1,), "seed": (1,), "epochs": (1,)}, "4 settings are tried at once. Try at most 3"),
    ],
)
def test_each_run_is_checked_as_a_single_one(tried: dict[str, tuple[object, ...]], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        variants(RunConfig(), SHOP, tried)


def test_likely_values_lie_around_what_is_set_and_can_be_read() -> None:
    assert likely_values("rank", RunConfig(rank=16)) == ("8", "16", "32")
    assert likely_values("rank", RunConfig(rank=512)) == ("256", "512")
    assert likely_values("learning_rate", RunConfig(learning_rate=1e-5)) == ("5e-6", "1e-5", "2e-5")
    assert likely_values("seed", RunConfig(seed=2**31 - 1)) == (str(2**31 - 1),)
    for name in TRIED:
        found = read_values(name, likely_values(name, RunConfig()))
        for run in variants(RunConfig(), SHOP, {name: found}).runs:
            assert getattr(run.config, name) in found


def test_without_data_there_is_nothing_to_try() -> None:
    with pytest.raises(ConfigError, match="There is no data set to learn from"):
        variants(RunConfig(), [], {"rank": (8, 16)})


def test_runs_have_different_names_although_what_differs_is_cut_off() -> None:
    models = tuple(f"{owner}/{'m' * 290}-{number}" for owner in "ab" for number in (1, 2))
    found = [run.config.name for run in variants(RunConfig(name="shop"), SHOP, {"model": models}).runs]
    assert len(set(found)) == 4
    assert found[1].endswith("m (2)")
    assert all(name.startswith("shop, m") and len(name) <= MOST_NAME for name in found)


def test_far_too_many_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[RunConfig] = []
    monkeypatch.setattr("studio.jobs.variants.problems", looked_at.append)
    many = {"rank": tuple(range(1, 101)), "seed": tuple(range(100))}
    with pytest.raises(ConfigError, match="All values with each other would be 10,000 runs"):
        variants(RunConfig(), SHOP, many)
    with pytest.raises(ConfigError, match="1,001 runs"):
        variants(RunConfig(), SHOP * 1001, {})
    assert not looked_at
