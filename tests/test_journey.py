"""The whole journey of a person, in a real browser, on a real server with real workers and the tiny model.

Upload, look, configure, start, see the chart grow, reload, lose the server and get it back, compare, export, and load
what was downloaded with plain peft.
"""

import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from playwright.sync_api import Browser, Locator, Page, expect
from transformers import AutoModelForCausalLM

from tests.live_page import Served, Server, assert_fits, opened

pytestmark = [pytest.mark.browser, pytest.mark.timeout(540)]

WORDS = ("red", "blue", "green", "black")


@pytest.fixture
def process(home: Path) -> Iterator[Server]:
    """A studio as a person starts it, on a machine that was never measured."""
    running = Server(home)
    yield running
    running.kill()


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Forty questions and answers, and a row without an answer."""
    rows = [
        {"question": f"Which colour is {index}?", "answer": f"It is {WORDS[index % 4]} <b>as ever</b>."}
        for index in range(40)
    ]
    path = tmp_path / "colours.jsonl"
    path.write_text("\n".join(map(json.dumps, [*rows, {"question": "And this?", "answer": ""}])), encoding="utf-8")
    return path


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def press(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.click()


def fill(page: Page, setting: str, value: str) -> None:
    field = page.locator(f"#setting-{setting} input").first
    field.fill(value)
    field.press("Tab")


def chart_points(page: Page) -> int:
    """How many training steps the chart shows."""
    count = page.evaluate(
        "() => { const drawn = document.querySelector('#train-chart .js-plotly-plot');"
        " return drawn && drawn.data && drawn.data.length ? drawn.data[0].x.length : 0; }"
    )
    return int(count)


def wait_until(wanted: Callable[[], bool], *, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)


def configure(page: Page, model: Path, *, epochs: int) -> None:
    open_tab(page, "2. Configure")
    fill(page, "model", str(model))
    expect(page.locator("#configure-forecast")).to_contain_text("room enough")
    page.locator("#advanced > button").click()
    fill(page, "epochs", str(epochs))
    fill(page, "batch-size", "4")


def status(page: Page) -> Locator:
    return page.locator("#train-status")


def test_from_a_file_to_a_tuned_model(
    browser: Browser, process: Server, examples: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with opened(browser, process) as page:
        train_compare_export(page, process, examples, tiny_model, tmp_path)


def train_compare_export(page: Page, server: Server, examples: Path, tiny_model: Path, tmp_path: Path) -> None:
    page.goto(server.address)
    page.locator("#data-upload input[type=file]").set_input_files(examples)
    expect(page.locator("#data-verdict")).to_contain_text("40 examples")
    page.locator("#data-problems").get_by_role("button").click()
    expect(page.locator("#data-problems")).to_contain_text("41")
    expect(page.locator("#data-preview")).to_contain_text("It is red <b>as ever</b>.")

    configure(page, tiny_model, epochs=45)
    press(page, "Start training")

    expect(page.get_by_role("tab", name="3. Train", exact=True)).to_have_attribute("aria-selected", "true")
    wait_until(lambda: chart_points(page) > 1)
    seen = chart_points(page)
    wait_until(lambda: chart_points(page) > seen)

    page.reload()
    wait_until(lambda: chart_points(page) > seen)
    server.kill()
    time.sleep(2)
    # The page looks for its server by itself, and loads again as soon as it is back: a visit now would meet that.
    with page.expect_event("load"):
        server.start_again()
    open_tab(page, "3. Train")
    wait_until(lambda: chart_points(page) > seen)
    expect(status(page)).to_contain_text("Finished", timeout=270_000)
    wait_until(lambda: chart_points(page) == 405)
    expect(status(page)).to_contain_text("405")

    press(page, "Compare with the base model")
    page.locator("#compare-prompt textarea").fill("Which colour is 3?")
    press(page, "Send")
    expect(page.locator("#compare-caption-2")).to_contain_text("tokens")
    expect(page.locator("#compare-caption-1")).to_contain_text("tokens")
    expect(page.locator("#compare-caption-1")).to_contain_text("adapter off")
    expect(page.locator("#compare-caption-2")).to_contain_text("adapter on")
    expect(page.locator("#compare-talk-2")).to_contain_text("It is")
    expect(page.locator("#compare-talk-2")).to_contain_text("<b>as ever</b>")
    expect(page.locator("#compare-talk-1")).not_to_contain_text("<b>as ever</b>")

    open_tab(page, "6. Export")
    press(page, "Prepare the adapter")
    press(page, "Prepare the merged model")
    adapter, merged = (download(page, name, tmp_path) for name in ("the adapter", "the merged model"))
    expect(page.locator("#export-adapter-status")).to_contain_text("3 of 3 answers are the same")
    expect(page.locator("#export-merged-status")).to_contain_text("3 of 3 answers are the same")

    ids = torch.tensor([list(b"colour")])
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    plain = base(input_ids=ids).logits
    whole = AutoModelForCausalLM.from_pretrained(merged)(input_ids=ids).logits
    tuned = PeftModel.from_pretrained(base, str(adapter))(input_ids=ids).logits
    assert not torch.allclose(plain, tuned, atol=1e-2)
    assert torch.allclose(whole, tuned, atol=1e-4)


def download(page: Page, what: str, folder: Path) -> Path:
    """Download an export, unpack it, and return the folder that was in it."""
    button = page.get_by_role("button", name=f"Download {what}", exact=True).or_(
        page.get_by_role("link", name=f"Download {what}", exact=True)
    )
    expect(button.first).to_be_visible()
    with page.expect_download() as started:
        button.first.click()
    archive = folder / started.value.suggested_filename
    started.value.save_as(archive)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder / archive.stem)
    (unpacked,) = (folder / archive.stem).iterdir()
    return unpacked


def test_stop_keeps_what_was_learned(page: Page, examples: Path, tiny_model: Path) -> None:
    page.locator("#data-upload input[type=file]").set_input_files(examples)
    expect(page.locator("#data-verdict")).to_contain_text("40 examples")
    configure(page, tiny_model, epochs=100)
    press(page, "Start training")
    wait_until(lambda: chart_points(page) > 1)
    press(page, "Stop and save")
    expect(status(page)).to_contain_text("Stopped")
    expect(page.get_by_role("button", name="Compare with the base model", exact=True)).to_be_visible()


def test_bad_input_is_a_sentence_on_the_page(page: Page, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    page.locator("#data-upload input[type=file]").set_input_files(tmp_path / "empty.csv")
    expect(page.locator("#data-imports")).to_contain_text("is empty")
    (tmp_path / "wrong.json").write_bytes(b"%PDF-1.7\n" + bytes(range(256)))
    page.locator("#data-upload input[type=file]").set_input_files(tmp_path / "wrong.json")
    expect(page.locator("#data-imports")).to_contain_text("PDF")
    expect(page.get_by_text("Traceback")).to_have_count(0)
    open_tab(page, "2. Configure")
    expect(page.get_by_role("button", name="Choose a data set first", exact=True)).to_be_disabled()


@pytest.mark.parametrize("width", [1280, 390])
def test_every_tab_fits_the_screen_in_light_and_dark(new_page: Page, server: Served, width: int) -> None:
    page = new_page
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme="light")
    page.goto(server.address)
    look_at_every_tab(page, is_dark=False)
    page.emulate_media(color_scheme="dark")
    look_at_every_tab(page, is_dark=True)
    assert errors == []


def look_at_every_tab(page: Page, *, is_dark: bool) -> None:
    for name in ("1. Data", "2. Configure", "3. Train", "4. Compare", "5. Evaluate", "6. Export"):
        open_tab(page, name)
        page.wait_for_timeout(300)
        assert_fits(page)
    assert page.evaluate("document.body.classList.contains('dark')") == is_dark
