"""A page speaks the language of each request, whichever way its listeners run."""

import contextlib
import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from gradio_client import Client
from gradio_client.exceptions import AppError
from starlette.testclient import TestClient

from studio.errors import StudioError
from studio.ui.kit import fragments
from studio.ui.kit.components import html
from studio.ui.kit.errors import report_errors
from studio.ui.language.choice import said
from studio.ui.language.front import SpokenFront
from studio.ui.language.spoken_page import SpokenPage
from tests.patience import PATIENCE_SECONDS

GERMAN = {"accept-language": "de-DE,de;q=0.9"}


def build() -> gr.Blocks:
    with SpokenPage(title="LoRA Studio", analytics_enabled=False) as page:
        gr.Textbox("Data set", label="Data set", info="In tokens. Longer examples need more memory.")
        gr.Dropdown([("Data set", "Data set")], value="Data set", label="Version")
        shown = html("<p>Rows</p>")
        held = gr.Textbox()
        gr.Button("Rows", elem_classes=fragments.OWN)

        @report_errors
        def fail() -> str:
            raise StudioError("There is no data set 'a<b'.", "Reload the page.")

        def stream() -> Iterator[tuple[str, str]]:
            yield "<p>Rows</p>", "Rows"
            yield "<p>Columns</p>", said("Columns")

        gr.Button("Files").click(lambda: ("<p>Columns</p>", "Rows"), outputs=[shown, held], api_name="queued")
        gr.Button("Type").click(lambda: "<p>Columns</p>", outputs=[shown], queue=False, api_name="at_once")
        gr.Button("Paste").click(stream, outputs=[shown, held], api_name="stream")
        gr.Button("Hub").click(fail, outputs=[shown], api_name="fail")
    return page


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    page = build()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page.launch(server_port=port, prevent_thread_lock=True, quiet=True, ssr_mode=False, footer_links=[])
    with contextlib.closing(page):
        yield f"http://127.0.0.1:{port}"


def client(address: str, headers: dict[str, str] | None = None) -> Client:
    return Client(address, headers=headers or {}, verbose=False, httpx_kwargs={"timeout": PATIENCE_SECONDS})


def test_listeners_answer_in_the_language_of_the_request(address: str) -> None:
    german = client(address, GERMAN)
    assert german.predict(api_name="/queued") == ("<p>Spalten</p>", "Rows")
    assert german.predict(api_name="/at_once") == "<p>Spalten</p>"
    assert list(german.submit(api_name="/stream")) == [("<p>Zeilen</p>", "Rows"), ("<p>Spalten</p>", "Spalten")]


def test_the_choice_goes_with_a_cookie(address: str) -> None:
    assert client(address, {**GERMAN, "cookie": "studio-language=es"}).predict(api_name="/at_once") == "<p>Columnas</p>"


def test_programs_are_answered_in_english(address: str) -> None:
    program = client(address)
    assert program.predict(api_name="/queued") == ("<p>Columns</p>", "Rows")
    assert list(program.submit(api_name="/stream"))[1] == ("<p>Columns</p>", "Columns")


def test_errors_are_said_in_the_language_too(address: str) -> None:
    with pytest.raises(AppError, match=r"Es gibt keinen Datensatz 'a&lt;b'\. Laden Sie die Seite neu\."):
        client(address, GERMAN).predict(api_name="/fail")
    with pytest.raises(AppError, match=r"There is no data set 'a&lt;b'\. Reload the page\."):
        client(address).predict(api_name="/fail")


def config(page: str) -> dict[str, Any]:
    found = re.search(r"window\.gradio_config = (\{.*?\});</script>", page, re.DOTALL)
    assert found is not None
    read: dict[str, Any] = json.loads(found[1])
    return read


def test_the_page_itself_is_in_the_language_of_the_browser() -> None:
    site = FastAPI()
    gr.mount_gradio_app(site, build(), path="/", ssr_mode=False, footer_links=[])
    visitor = TestClient(SpokenFront(site))
    german, english = (visitor.get("/", headers=headers) for headers in (GERMAN, {"accept-language": "fr"}))
    assert '<html\n\tlang="de"' in german.text
    assert '<html\n\tlang="en"' in english.text
    props = {each["props"].get("label"): each["props"] for each in config(german.text)["components"]}
    assert props["Datensatz"]["value"] == "Data set"
    assert props["Datensatz"]["info"] == "In Token. Längere Beispiele brauchen mehr Speicher."
    assert props["Version"]["choices"] == [["Datensatz", "Data set"]]
    values = [each["props"].get("value") for each in config(german.text)["components"]]
    assert {"<p>Zeilen</p>", "Rows", "Dateien"} <= {value for value in values if isinstance(value, str)}
    assert "studioWords" not in english.text
    assert "Copy" in german.text.partition("window.studioWords = ")[2][:4000]
    assert int(german.headers["content-length"]) == len(german.content)


def test_what_a_program_reads_of_the_page_stays_english(address: str) -> None:
    request = urllib.request.Request(f"{address}/config", headers=GERMAN)
    with urllib.request.urlopen(request) as answer:
        assert "Data set" in answer.read().decode()
