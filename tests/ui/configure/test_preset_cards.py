from studio.config import RunConfig
from studio.models.forecast.run_time import RunTime
from studio.models.presets import Case
from studio.planning.suggestions import Suggestion, follow
from studio.ui.configure.preset_cards import presets, reasons, written
from tests.planning.fake_forecasts import Oracle


def drawn(settings: RunConfig) -> str:
    following = follow(settings, Suggestion(), Case(examples=400), estimate=Oracle().estimate)
    return str(reasons(following))


def test_the_chosen_preset_is_pressed_and_each_says_how_long_it_takes() -> None:
    made = str(presets("quick", {"quick": RunTime(5.0, 20.0), "balanced": RunTime(40.0, 200.0), "thorough": None}))
    assert made.count('aria-pressed="true"') == 1
    assert 'data-key="quick" aria-pressed="true"' in made
    assert "under 1 min" in made
    assert "2 to 8 min" in made
    assert made.count("<em>") == 2
    assert "evaluation" not in made


def test_the_evaluation_is_told_apart_from_the_training() -> None:
    """All three presets seemed to take the same time, because the evaluation took most of it."""
    times = {"quick": RunTime(5.0, 60.0, 180.0), "balanced": RunTime(5.0, 180.0, 180.0)}
    made = str(presets("quick", times))
    assert "<em>up to 2 min</em>" in made
    assert "<em>2 to 6 min</em>" in made
    assert "The times are those of training, then evaluation 1 to 6 min in the background." in made


def test_what_a_person_set_is_named_beside_the_presets_with_the_way_back() -> None:
    case = Case(examples=400)
    untouched = follow(RunConfig(), Suggestion(), case, estimate=Oracle().estimate)
    assert "stay" not in presets("balanced", {}, untouched)
    following = follow(RunConfig(rank=20, epochs=9), Suggestion(), case, estimate=Oracle().estimate)
    made = str(presets("balanced", {}, following))
    assert "Your own values stay with every choice: Epochs: 9, Rank: 20." in made
    assert "Use all values of Balanced" in made
    copied = str(presets("", {}, following))
    assert "stay" not in copied
    assert 'aria-pressed="true"' not in copied


def test_each_setting_has_its_reason() -> None:
    made = drawn(RunConfig())
    assert "<strong>Rank: 16</strong><span>Large enough for 400 examples of one task.</span>" in made
    assert "<strong>Learning rate: 0.0005</strong><span>LoRA needs about ten times" in made
    assert "<strong>Alpha: 32</strong>" in made
    assert "Back to" not in made


def test_what_is_changed_shows_the_way_back() -> None:
    made = drawn(RunConfig(rank=64, epochs=9))
    assert "The suggestion is 16. Large enough" in made
    assert 'data-verb="back" data-key="rank" aria-label="Back to the suggestion for rank">Back to 16<' in made
    assert "Back to all suggestions" in made
    assert "Back to all" not in drawn(RunConfig(rank=64))


def test_values_are_written_as_the_controls_show_them() -> None:
    assert [written(each) for each in (2e-5, 0.05, 0.0, 1024, "qlora", None)] == [
        "0.00002",
        "0.05",
        "0",
        "1,024",
        "QLoRA (4-bit)",
        "empty",
    ]
