import json
import math
from typing import Any

import numpy as np

from studio.events import Evaluated, Event, Finished, Forecasted, Record, Started, Stepped
from studio.runs.view import RunView
from studio.ui.train.charts import MOST_POINTS, MOST_SMALL_POINTS, chart, payload, rounded
from tests.ui.fake_studio import opening_events, step

PANELS = ("learning_rate", "grad_norm", "tokens_per_second", "memory_gib")


def fold(*events: Event) -> RunView:
    view = RunView()
    for place, event in enumerate(events):
        view.apply(Record(place + 1, 1000.0 + 2 * place, event))
    return view


def drawn(*events: Event) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(payload("a-run", fold(*events), name="heron"))
    return document


def counted(number: int, tokens: int) -> Stepped:
    return Stepped(number, 0.1, 2.0, 1e-4, 0.5, 250.0, 1.25, tokens)


def test_an_empty_chart_says_what_will_fill_it() -> None:
    template = chart("x").html_template
    assert "first training step" in template
    assert all(f'data-panel="{panel}"' in template for panel in PANELS)
    assert payload("a-run", fold(*opening_events(steps=63)), name="heron") == ""


def test_the_step_axis_knows_where_the_run_will_end() -> None:
    assert drawn(*opening_events(steps=63), step(1, loss=3.0))["total"] == 63


def test_every_axis_has_a_place_for_every_point() -> None:
    """Steps of three and four tokens, two seconds apart; checks before the first and after the second."""
    run = drawn(Started(1, "train"), Evaluated(0, 3.0), counted(1, 3), counted(2, 4), Evaluated(2, 2.5), counted(3, 5))
    assert run["loss"]["step"] == [1, 2, 3]
    assert run["loss"]["tokens"] == [3, 7, 12]
    assert run["loss"]["time"] == [4, 6, 10]
    assert run["held_out"] == {"step": [0, 2], "tokens": [0, 7], "time": [0, 6], "loss": [3, 2.5]}
    assert run["counted"] is True


def test_the_held_out_curve_is_over_the_same_examples_everywhere() -> None:
    run = drawn(Evaluated(0, 3.0, 24, 100, 3.2), step(1, loss=3.0), Evaluated(1, 2.5, 24, 100, 2.75))
    assert (run["held_out"]["loss"], run["part"]) == ([3, 2.5], [24, 100])
    assert drawn(Evaluated(0, 3.0), step(1, loss=3.0))["part"] == []


def test_tokens_that_were_not_counted_are_no_axis() -> None:
    assert drawn(counted(1, 3), counted(2, 0))["counted"] is False


def test_the_forecast_is_a_line_and_each_small_chart_has_its_numbers() -> None:
    run = drawn(Forecasted(2.5, None), step(1, loss=3.0))
    assert run["forecast"] == 2.684, "in decimal GB, as sizes are everywhere"
    assert {panel: run["small"][panel] for panel in PANELS} == {
        "learning_rate": [0.0005],
        "grad_norm": [1],
        "tokens_per_second": [240],
        "memory_gib": [2.0401],
    }
    assert drawn(step(1, loss=3.0))["forecast"] is None
    assert run["name"] == "heron"


def test_the_step_that_is_kept_is_marked_where_it_is_not_the_last() -> None:
    steps = [step(number, loss=3.0) for number in range(1, 4)]
    assert drawn(*steps, Finished("finished", "", 1.0))["kept"] == 0
    assert drawn(*steps, Finished("finished", "", 1.0, kept_step=2))["kept"] == 2


def test_the_curves_are_bounded_and_keep_their_peaks() -> None:
    steps = [step(number, loss=99.0 if number == 3210 else 1 / number) for number in range(1, 5001)]
    run = drawn(*steps, Evaluated(5000, 0.5))
    assert len(run["loss"]["step"]) == len(run["loss"]["raw"]) == len(run["loss"]["smoothed"]) <= MOST_POINTS
    assert len(run["small"]["grad_norm"]) <= MOST_SMALL_POINTS
    assert (run["loss"]["step"][0], run["loss"]["step"][-1]) == (1, 5000)
    assert max(run["loss"]["raw"]) == 99
    assert run["run"] == "a-run"


def test_five_digits_are_enough_wherever_the_point_is() -> None:
    numbers = [0.0, 1.23456789, 123456.789, -0.00012345678, 5e-4, 1e-30]
    found = rounded(np.array(numbers))
    assert all(math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-18) for a, b in zip(found, numbers, strict=True))
    assert found[1:3] == [1.2346, 123457]
    assert found[4] == 0.0005
