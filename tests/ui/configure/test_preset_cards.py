from studio.config import RunConfig
from studio.models.presets import Case
from studio.planning.suggestions import Suggestion, follow
from studio.ui.configure.preset_cards import presets, reasons, written
from tests.planning.fake_forecasts import Oracle


def drawn(settings: RunConfig, *, in_sight: bool = True) -> str:
    following = follow(settings, Suggestion(), Case(examples=400), estimate=Oracle().estimate)
    return str(reasons(following, in_sight=in_sight))


def test_the_chosen_preset_is_pressed_and_each_says_how_long_it_takes() -> None:
    made = str(presets("quick", {"quick": 30.0, "balanced": 240.0, "thorough": None}))
    assert made.count('aria-pressed="true"') == 1
    assert 'data-key="quick" aria-pressed="true"' in made
    assert "under 1 min" in made
    assert "about 4 min" in made
    assert made.count("<em>") == 2


def test_each_setting_has_its_reason() -> None:
    made = drawn(RunConfig())
    assert "<strong>Rank 16</strong><span>Wide enough for 400 examples of one task.</span>" in made
    assert "<strong>Learning rate 0.0005</strong><span>LoRA wants about ten times" in made
    assert "Alpha" not in made
    assert "<strong>Alpha 32</strong>" in drawn(RunConfig(), in_sight=False)
    assert "Back to" not in made


def test_what_is_changed_shows_the_way_back() -> None:
    made = drawn(RunConfig(rank=64, epochs=9))
    assert "Changed by you; the suggestion is 16. Wide enough" in made
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
