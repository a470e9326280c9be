"""Nothing that was stored becomes markup on the page: no script runs, no picture loads, no link appears."""

import gradio as gr
import pytest

from studio.config import settings
from studio.errors import DataError
from studio.ui.errors import shown
from studio.ui.form import control

pytestmark = pytest.mark.security

HOSTILE = (
    '<img src=x onerror="window.__hit=1"><script>window.__hit=1</script>'
    '<a href="//x.test">a</a>{{7*7}}${window.__hit=1}'
)


@pytest.mark.parametrize("error", [gr.Error(HOSTILE), DataError(HOSTILE, HOSTILE)])
def test_a_toast_shows_text(error: Exception) -> None:
    """An error of Gradio's own kind went to the page unescaped, and the toast takes its text for HTML."""

    @shown
    @shown
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
