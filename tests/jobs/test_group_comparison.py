"""Which run of a group is the best, and whether that is said to be more than luck."""

import random
from collections.abc import Mapping

from studio.jobs.group_comparison import Member, verdicts

ROWS = 40


def rows(mean: float, *, seed: int = 0, spread: float = 0.02, count: int = ROWS) -> Mapping[int, float]:
    """Make the losses of rows that are hard and easy alike for all runs."""
    shared, own = random.Random(1), random.Random(seed)
    return {row: mean + shared.gauss(0, 1) + own.gauss(0, spread) for row in range(count)}


def member(name: str, loss: float | None, *, scored: Mapping[int, float] | None = None, **other: object) -> Member:
    known = {"status": "finished", "model": "m", "data": "d", "scored_on": "s"} | other
    return Member(name, name, values=(name,), loss=loss, row_losses=scored or {}, **known)  # type: ignore[arg-type]


def test_a_run_that_is_clearly_the_best_is_said_to_be() -> None:
    found = verdicts([member("rank 8", 1.3, scored=rows(1.3)), member("rank 16", 1.1, scored=rows(1.1, seed=2))])
    assert [(each.run_id, each.kind) for each in found] == [("rank 16", "good")]
    assert found[0].text == (
        "Best: rank 16, with a held-out loss of 1.100. It is clearly better than the other run, on 40 held-out rows."
    )


def test_differences_within_noise_are_called_luck() -> None:
    alike = [
        member(f"seed {seed}", 1.2 + seed / 1000, scored=rows(1.2, seed=seed + 1, spread=0.3)) for seed in range(5)
    ]
    (found,) = verdicts(alike)
    assert found.kind == "quiet"
    assert found.sure == (
        "No run is clearly better than the others: luck alone can make differences this small, on 40 held-out rows."
    )


def test_the_best_is_set_apart_from_some_alone() -> None:
    (found,) = verdicts(
        [
            member("rank 8", 1.6, scored=rows(1.6, seed=1)),
            member("rank 16", 1.2, scored=rows(1.2, seed=2)),
            member("rank 32", 1.199, scored=rows(1.2, seed=3)),
        ]
    )
    assert (found.run_id, found.kind) == ("rank 32", "quiet")
    assert "Luck alone can set it apart from rank 16, on" in found.text


def test_the_best_of_many_needs_more_than_the_best_of_two() -> None:
    """Twenty runs that differ in nothing but their seed have a best one that beats each of some others by chance."""
    wins = 0
    for trial in range(20):
        made = [rows(1.2, seed=100 * trial + seed + 1, spread=0.3) for seed in range(20)]
        runs = [member(f"{seed}", sum(each.values()) / ROWS, scored=each) for seed, each in enumerate(made)]
        wins += verdicts(runs)[0].kind == "good"
    assert wins == 0


def test_that_the_best_was_picked_after_a_look_counts() -> None:
    """Of runs that are alike in truth, the best is rarely said to be better than even one."""
    claims = 0
    for trial in range(60):
        made = [rows(1.2, seed=100 * trial + seed + 1, spread=0.3) for seed in range(12)]
        runs = [member(f"{seed}", sum(each.values()) / ROWS, scored=each) for seed, each in enumerate(made)]
        claims += not verdicts(runs)[0].sure.startswith("No run is clearly better")
    assert claims <= 5


def test_without_evaluations_it_is_not_said_how_sure_that_is() -> None:
    runs = [member("rank 8", 1.3, is_awaited=True), member("rank 16", 1.1, is_awaited=True)]
    (found,) = verdicts(runs)
    assert found.sure.endswith("is known once they are evaluated, when no run waits or trains.")
    (found,) = verdicts(runs, evaluates=False)
    assert found.text.endswith("not known yet.")


def test_runs_are_compared_on_the_rows_that_both_were_asked() -> None:
    """As many are asked as the time allows, which is not the same for all."""
    one, other = member("a", 1.3, scored=rows(1.3)), member("b", 1.1, scored=rows(1.1, count=30))
    assert verdicts([one, other])[0].sure == "It is clearly better than the other run, on 30 held-out rows."


def test_rows_that_are_not_the_same_are_not_compared() -> None:
    told = "Whether that is more than luck cannot be told: they were evaluated on different rows."
    one, other = member("a", 1.3, scored=rows(1.3)), member("b", 1.1, scored=rows(1.1), scored_on="another file")
    assert verdicts([one, other])[0].sure == told
    few = {row + ROWS - 5: loss for row, loss in rows(1.1).items()}
    assert verdicts([one, member("b", 1.1, scored=few)])[0].sure == told


def test_a_run_that_nobody_will_evaluate_is_named() -> None:
    """Its evaluation failed, or was called off."""
    runs = [member("a", 1.3, scored=rows(1.3)), member("b", 1.1), member("c", 1.2, is_awaited=True)]
    assert verdicts(runs)[0].sure.startswith("Whether that is more than luck is not known without an evaluation of b,")
    assert "once they are evaluated" in verdicts([runs[0], runs[2]])[0].sure


def test_it_is_said_where_a_step_was_chosen_on_the_same_rows() -> None:
    one, other = member("a", 1.3, scored=rows(1.3)), member("b", 1.1, scored=rows(1.1), has_chosen_step=True)
    assert verdicts([one, other])[0].sure.endswith(
        "were chosen on the same rows, so other examples may decide otherwise."
    )


def test_what_is_better_by_its_tokens_and_worse_by_its_rows_is_not_clearly_better() -> None:
    found = verdicts([member("a", 1.1, scored=rows(1.3)), member("b", 1.2, scored=rows(1.1, seed=2))])
    assert (found[0].run_id, found[0].kind) == ("a", "quiet")


def test_few_rows_are_never_clear() -> None:
    found = verdicts([member("a", 2.0, scored=rows(2.0, count=5)), member("b", 1.0, scored=rows(1.0, count=5))])
    assert "luck alone" in found[0].text


def test_losses_of_other_models_and_other_data_are_not_held_against_each_other() -> None:
    found = verdicts(
        [
            member("small", 1.5),
            member("large", 1.1, model="other"),
            member("letters", 0.4, data="letters"),
            member("not done", 0.1, status="training"),
            member("a part", 0.2, part=(5, 40)),
            member("nothing held out", None),
        ]
    )
    assert [each.run_id for each in found] == ["small", "large", "letters"]
    assert found[0].text == "Best so far: small, with a held-out loss of 1.500."
    assert found[1].text == "Best: large, with a held-out loss of 1.100."


def test_where_none_is_done_nothing_is_said() -> None:
    assert verdicts([]) == ()
    assert verdicts([member("a", 1.0, status="training")]) == ()
