import json

from studio.ui.data.lengths import bars, histogram
from studio.ui.kit import scripts
from studio.ui.kit.plot import SCRIPT_ADDRESS, plotly_script


def test_the_script_is_served_from_this_machine() -> None:
    assert plotly_script().is_file()
    assert f'"{SCRIPT_ADDRESS}?v=' in str(histogram("x").js_on_load)
    assert histogram("x").head is None  # it is loaded when the first chart is drawn


def test_nothing_on_the_chart_leaves_the_machine() -> None:
    """Plotly's toolbar had a button that uploads the chart to Plotly's cloud."""
    script = scripts.head()
    assert "showSendToCloud: false" in script
    assert "plotlyServerURL: ''" in script


def test_the_drawing_comes_into_the_frame() -> None:
    made = histogram("x")
    assert str(made.js_on_load).startswith('studio.plot({element, props, trigger, watch}, "histogram", ')
    assert "No lengths yet" in made.html_template
    assert json.loads(json.dumps(made.value)) == {"lows": [], "highs": [], "counts": [], "limit": 0}


def test_lengths_are_plain_lists() -> None:
    assert bars(None) == {"lows": [], "highs": [], "counts": [], "limit": 0}
