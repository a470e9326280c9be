"""A page of another origin, and one under a name that points to this machine, try what they can in a real browser."""

import shutil
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from studio.studio import Studio
from studio.ui.kit.plot import SCRIPT_ADDRESS
from studio.ui.serving.server import PageServer, served
from tests.local_server import serving
from tests.ui.fake_studio import open_fake_studio

pytestmark = [pytest.mark.security, pytest.mark.browser]

TABS = ("2. Configure", "3. Train", "4. Compare", "5. Evaluate", "6. Export", "All runs", "1. Data")

ATTACK = """async (studio) => {
  const got = {};
  const json = {'Content-Type': 'application/json'}, body = JSON.stringify({data: [], fn_index: 0, session_hash: 'x'});
  const form = () => { const made = new FormData(); made.append('files', new Blob(['<h1>']), 'x.html'); return made; };
  const attempt = async (name, path, options) => {
    try {
      const answer = await fetch(studio + path, options);
      got[name] = answer.type === 'opaque' ? 'opaque' : `${answer.status} ${(await answer.text()).slice(0, 60)}`;
    } catch { got[name] = 'refused'; }
  };
  await attempt('page', '/');
  await attempt('config', '/config', {credentials: 'include'});
  await attempt('join', '/gradio_api/queue/join', {method: 'POST', headers: json, body});
  await attempt('run', '/gradio_api/run/predict', {method: 'POST', headers: json, body});
  await attempt('upload', '/gradio_api/upload', {method: 'POST', body: form()});
  const element = (name, tag, values) => new Promise((done) => {
    const made = Object.assign(document.createElement(tag), values);
    made.onload = () => { got[name] = 'loaded'; done(); };
    made.onerror = () => { got[name] = 'refused'; done(); };
    document.body.append(made);
  });
  await element('image', 'img', {src: studio + '/favicon.ico'});
  await element('script', 'script', {src: studio + '/studio/plotly.min.js'});
  await fetch(studio + '/gradio_api/upload', {method: 'POST', mode: 'no-cors', body: form()}).catch(() => null);
  return got;
}"""


class OtherPage(BaseHTTPRequestHandler):
    """An empty page of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A harmless page</title><body></body>")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    made = open_fake_studio(tmp_path_factory.mktemp("home"), clock=time.time)
    made.data.add_sample("order_slips")
    return made


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that Gradio puts uploads into."""
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def serving_page(studio: Studio, uploads: Path) -> Iterator[PageServer]:
    with served(studio, port=0) as server:
        yield server


@pytest.fixture(scope="module")
def fooled(playwright: Playwright, serving_page: PageServer) -> Iterator[Browser]:
    """A browser for which evil.example is this machine, as a name server of an attacker's can say."""
    opened = playwright.chromium.launch(
        executable_path=shutil.which("chromium"),
        args=[
            "--no-sandbox",
            "--host-resolver-rules=MAP evil.example 127.0.0.1",
            # Newer browsers guard this machine themselves; what the studio does alone is looked at here.
            "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
        ],
    )
    yield opened
    opened.close()


@pytest.fixture
def other_page(fooled: Browser) -> Iterator[Page]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), OtherPage)) as server:
        context = fooled.new_context()
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}")
        yield page
        context.close()


def test_a_page_of_another_origin_reaches_nothing(other_page: Page, serving_page: PageServer, uploads: Path) -> None:
    """Any web page that a person opened could read the studio, upload to it and start what it liked."""
    address = f"http://127.0.0.1:{serving_page.port}"
    for name in (address, address.replace("127.0.0.1", "localhost"), address.replace("127.0.0.1", "evil.example")):
        found = other_page.evaluate(ATTACK, name)
        assert len(found) == 7
        assert set(found.values()) == {"refused"}, name
    assert other_page.evaluate("typeof window.Plotly") == "undefined"
    assert list(uploads.rglob("x.html")) == []


def test_a_name_that_points_here_reads_nothing(fooled: Browser, serving_page: PageServer) -> None:
    """Under a name of its own an attacker's page had the same origin as the studio, and could read every answer."""
    context = fooled.new_context()
    page = context.new_page()
    lure = f"http://evil.example:{serving_page.port}/lure"
    page.route(lure, lambda route: route.fulfill(body="<p>loaded before the name was changed</p>"))
    page.goto(lure)
    found = page.evaluate(
        """async () => {
          const asked = [fetch('/'), fetch('/config'), fetch('/gradio_api/upload', {method: 'POST', body: 'x'})];
          return Promise.all((await Promise.all(asked)).map(async (each) => [each.status, await each.text()]));
        }"""
    )
    assert [status for status, _ in found] == [421, 421, 421]
    assert all(text.startswith("The studio does not answer under 'evil.example") for _, text in found)
    context.close()


def test_a_form_and_a_frame_of_another_page_are_refused(other_page: Page, serving_page: PageServer) -> None:
    """A form needs no leave of the studio's to be sent, and a frame lets a person press what they do not see."""
    address = f"http://127.0.0.1:{serving_page.port}"
    other_page.evaluate("(src) => { document.body.innerHTML = `<iframe src='${src}'></iframe>`; }", address)
    other_page.wait_for_timeout(1000)
    assert not any(frame.query_selector("gradio-app") for frame in other_page.frames)
    with other_page.expect_navigation() as sent:
        other_page.evaluate(
            """(action) => {
              const form = Object.assign(document.createElement('form'), {action, method: 'POST'});
              form.enctype = 'multipart/form-data';
              document.body.append(form);
              form.submit();
            }""",
            f"{address}/gradio_api/upload",
        )
    assert sent.value is not None
    assert sent.value.status == 403
    direct = other_page.goto(f"{address}/studio/plotly.min.js")
    assert direct is not None
    assert direct.status == 200  # typed by the person, and so asked for by no page


def test_the_page_itself_works_under_its_own_policy(
    fooled: Browser, serving_page: PageServer, uploads: Path, tmp_path: Path
) -> None:
    context = fooled.new_context(accept_downloads=True)
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"http://localhost:{serving_page.port}")
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        expect(page.get_by_role("tab", name=name, exact=True)).to_have_attribute("aria-selected", "true")
    page.evaluate("address => studio.load(address)", SCRIPT_ADDRESS)
    table = tmp_path / "few.csv"
    table.write_text("question,answer\nWho?,Me\n", encoding="utf-8")
    page.get_by_text("Add examples: files, text, the Hub or a sample").click()  # it is closed where there is a data set
    with page.expect_response("**/gradio_api/upload*") as uploaded:
        page.locator("#data-upload input[type=file]").set_input_files(table)
    assert uploaded.value.status == 200
    kept_until = time.monotonic() + 10  # it is moved to its place after the answer
    while not list(uploads.rglob("few.csv")) and time.monotonic() < kept_until:
        page.wait_for_timeout(50)
    assert list(uploads.rglob("few.csv")) != []
    drawn = page.evaluate(
        """async () => {
          const plot = document.createElement('div');
          document.body.append(plot);
          await Plotly.newPlot(plot, [{y: [3, 2, 1]}]);
          const image = await Plotly.toImage(plot, {format: 'png'});
          plot.remove();
          return image.slice(0, 22);
        }"""
    )
    assert drawn == "data:image/png;base64,"
    with page.expect_download() as saved:
        page.evaluate(
            """() => Object.assign(document.createElement('a'),
              {href: URL.createObjectURL(new Blob(['text'])), download: 'text.txt'}).click()"""
        )
    assert saved.value.path().read_text() == "text"
    page.evaluate("() => { const tone = new AudioContext().createOscillator(); tone.start(); tone.stop(); }")
    context.close()
    assert refused == []
