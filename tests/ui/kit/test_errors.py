import logging
from collections.abc import Iterator

import gradio as gr
import pytest

from studio.errors import DataError
from studio.ui.kit.errors import report_errors


def test_expected_trouble_is_shown_with_its_hint() -> None:
    @report_errors
    def listener() -> None:
        raise DataError("The file is empty.", "Choose another.")

    with pytest.raises(gr.Error) as caught:
        listener()
    assert caught.value.message == "The file is empty. Choose another."
    assert caught.value.print_exception is False


def test_text_from_a_file_cannot_become_markup_in_the_message() -> None:
    @report_errors
    def listener() -> None:
        raise DataError("Column '<img src=x>' not found.")

    with pytest.raises(gr.Error) as caught:
        listener()
    assert "<img" not in caught.value.message


def test_a_bug_gets_a_number_on_the_page_and_its_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    @report_errors
    def listener() -> None:
        raise KeyError("secret path /home/someone")

    with caplog.at_level(logging.ERROR, logger="studio.ui"), pytest.raises(gr.Error) as caught:
        listener()
    assert "secret" not in caught.value.message
    number = caught.value.message.split()[-1].rstrip(".")
    assert number in caplog.text
    assert "secret path" in caplog.text


def test_generators_are_covered_and_gradio_errors_pass() -> None:
    @report_errors
    def listener() -> Iterator[int]:
        yield 1
        raise gr.Error("as it is")

    steps = listener()
    assert next(steps) == 1
    with pytest.raises(gr.Error, match="as it is"):
        next(steps)
