import json

from studio.events import Evaluated, Prepared
from studio.runs.view import RunView
from studio.ui.live_chart import live_chart
from studio.ui.run_cards import MOST_POINTS, curves
from tests.ui.fake_studio import opening_events, step


def test_an_empty_chart_says_what_will_fill_it() -> None:
    assert "first training step" in live_chart("x").html_template


def test_the_step_axis_knows_where_the_run_will_end() -> None:
    *_, prepared = opening_events(steps=63)
    assert isinstance(prepared, Prepared)
    assert curves("a-run", RunView(prepared=prepared, steps=[step(1, loss=3.0)])).payload()["total_steps"] == 63


def test_the_curves_are_json_and_bounded() -> None:
    view = RunView(
        steps=[step(number, loss=1 / number) for number in range(1, 5001)], evaluations=[Evaluated(5000, 0.5)]
    )
    payload = curves("a-run", view).payload()
    json.dumps(payload, allow_nan=False)
    assert len(payload["steps"]) == len(payload["losses"]) == len(payload["smoothed"]) <= MOST_POINTS
    assert (payload["steps"][0], payload["steps"][-1]) == (1, 5000)
    assert payload["run"] == "a-run"
