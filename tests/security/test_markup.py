"""Nothing that was stored becomes markup on the page: no script runs, no picture loads, no link appears."""

import json
from pathlib import Path

import gradio as gr
import pytest

from studio.config import RunConfig, settings
from studio.errors import DataError
from studio.studio import Studio
from studio.ui.kit.errors import report_errors
from studio.ui.kit.form import control
from studio.ui.train.notices import payload
from tests.ui.fake_studio import brought, fake_studio

pytestmark = pytest.mark.security

HOSTILE = (
    '<img src=x onerror="window.__hit=1"><script>window.__hit=1</script>'
    '<a href="//x.test">a</a>{{7*7}}${window.__hit=1}'
)


@pytest.mark.parametrize("error", [gr.Error(HOSTILE), DataError(HOSTILE, HOSTILE)])
def test_a_toast_shows_text(error: Exception) -> None:
    """An error of Gradio's own kind went to the page unescaped, and the toast takes its text for HTML."""

    @report_errors
    @report_errors
    def listener() -> None:
        raise error

    with pytest.raises(gr.Error) as caught:
        listener()
    assert "<" not in caught.value.message
    assert "&lt;img" in caught.value.message
    assert "&amp;lt;" not in caught.value.message


@pytest.mark.parametrize("name", [each.name for each in settings() if each.choices or each.kind is tuple])
def test_no_control_repeats_a_stored_setting_in_an_error(name: str) -> None:
    """Gradio repeats a value that is not among its choices; that of a stored run came to the toast as it was."""
    assert control(name).preprocess(HOSTILE) == HOSTILE


def test_the_title_of_the_browser_is_sent_without_a_tag(tmp_path: Path) -> None:
    """The name of a run stood as it was in the value of an HTML component, which Gradio takes for markup."""
    with fake_studio(tmp_path / "home") as studio:
        run = studio.start_run(RunConfig(name="<script>a()</script>"), brought_rows(studio, tmp_path))
        written = payload(studio.scheduler.view(run.id))
    assert "<" not in written
    assert json.loads(written)["name"] == "<script>a()</script>"


def brought_rows(studio: Studio, folder: Path) -> str:
    """Bring a small data set in and return its id."""
    file = folder / "rows.csv"
    file.write_text("question,answer\n" + "".join(f"What is {n}?,It is {n}.\n" for n in range(8)), encoding="utf-8")
    return brought(studio, file).id
