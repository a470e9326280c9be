"""Attempts with archives: each is brought in as a run, and then asked for on every tab."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.patience import PATIENCE_SECONDS
from tests.security.attempts import Outcome, Target, choices, judged
from tests.security.hostile_archives import Hostile, all_hostile, honest, hostile_models, pack, tiny_model
from tests.security.visitor import Heard, Visitor

MOST_GROWTH_MIB = 700.0
"""By so much the page's server may grow while it draws one model's template."""

ADDRESS = re.compile(r"(?:/gradio_api/file=|/file=|/studio/download/)[^\s\"'\\<>]+")


def archives(target: Target) -> Iterator[Outcome]:
    """Bring in each archive; whatever is taken in is opened on every tab, and its files are asked for."""
    visitor = target.visitor()
    model = write_model(target.folder / "honest-model", tiny_model())
    looked_at = 0
    for hostile in all_hostile(str(target.private), model=str(model)):
        before = choices(visitor, "train-run")
        said = bring(visitor, hostile)
        yield judged(f"import {hostile.name}", said, target)
        for run in sorted(choices(visitor, "train-run") - before):
            looked_at += 1
            yield from opened(target, visitor, hostile, run)
            if hostile.use == "chat" and not target.is_quick:
                yield asked(target, hostile, run)
    yield Outcome("runs that were taken in", False, f"{looked_at} were opened", is_left_out=looked_at == 0)
    if not target.is_quick:
        yield honest_still_answers(target, visitor, model)


def bring(visitor: Visitor, hostile: Hostile) -> Heard:
    file = visitor.file(f"{hostile.name}.run.zip", hostile.content)
    if file is None:
        return Heard(413, None, "the upload was refused", 0.0)
    return visitor.call(visitor.listener("runs-bring", "upload"), {"runs-bring": file}, timeout=60)


def opened(target: Target, visitor: Visitor, hostile: Hostile, run: str) -> Iterator[Outcome]:
    """Open a run where a person can, and follow every address of a file that the answers hold."""
    told = ""
    asked_for = [
        ("train", visitor.listener("train-run", "change"), {"train-run": run}),
        ("evaluate", visitor.listener("evaluate-run", "change"), {"evaluate-run": run}),
        ("export", visitor.listener("export-run", "change"), {"export-run": run}),
        ("compare", visitor.listener("train-compare", "click"), {"train-run": run}),
        ("data", visitor.listener("train-data", "click"), {"train-run": run}),
        ("runs", visitor.listener("runs-search", "change"), {}),
    ]
    if hostile.use == "export":
        asked_for.append(("prepare", visitor.listener("export-adapter-prepare", "click"), {"export-run": run}))
    for tab, listener, values in asked_for:
        said = visitor.call(listener, values)
        told += json.dumps(said.data)
        outcome = judged(f"open {hostile.name} on {tab}", said, target)
        if outcome.is_open:
            yield outcome
    said = visitor.api("run_status", [run])
    told += json.dumps(said.data)
    yield judged(f"open {hostile.name}", said, target)
    for address in sorted(set(ADDRESS.findall(told))):
        if "plotly" not in address:
            yield file_answer(target, f"address of {hostile.name}", address)
    yield file_answer(target, f"private file after {hostile.name}", f"/gradio_api/file={target.private}")


def asked(target: Target, hostile: Hostile, run: str) -> Outcome:
    """Ask the run on the Compare tab: a sentence has to come, and the chat has to serve the next visitor."""
    said = target.visitor(timeout=150).api("ask", [run, "Hi", "", 0.0, 4, 1], timeout=150)
    outcome = judged(f"ask {hostile.name}", said, target)
    took_it = said.data is not None and not hostile.name.startswith("weights-negative")
    if took_it:
        return Outcome(outcome.name, True, "the adapter was loaded and answered")
    return outcome


def honest_still_answers(target: Target, visitor: Visitor, model: Path) -> Outcome:
    """After all of it an honest run answers: no worker is left hanging for everybody."""
    before = choices(visitor, "train-run")
    bring(visitor, Hostile("honest", pack(honest("honest", model=str(model)))))
    (run,) = sorted(choices(visitor, "train-run") - before)[:1] or [""]
    said = visitor.api("ask", [run, "Hi", "", 0.0, 4, 1], timeout=150)
    hangs = said.is_silent or said.is_bug
    return Outcome("an honest run after all others", hangs, said.error or "answered")


def file_answer(target: Target, name: str, address: str) -> Outcome:
    """Ask for a file by its address: the private one must not come, and nothing may be shown as a page."""
    answer = target.visitor().get(address)
    if answer.status != 200:
        return Outcome(name, False, f"{answer.status}")
    if target.leaks(answer.text) or b"HOSTNAME=" in answer.body or b"PATH=" in answer.body:
        return Outcome(name, True, f"read through {address[:100]}")
    if "attachment" not in answer.headers.get("content-disposition", ""):
        return Outcome(name, True, f"served inline: {address[:100]}")
    return Outcome(name, False, "a file of the run, as an attachment")


def file_routes(target: Target) -> Iterator[Outcome]:
    """Ask every route that serves files for files that no visitor may see."""
    visitor = target.visitor()
    paths = [str(target.private), "/etc/hostname", "/proc/self/environ", "app.py", ".git/config"]
    if target.home:
        paths += [str(target.home / "queue.json"), str(target.home / "runs")]
    link = target.folder / "link.txt"
    if not link.is_symlink():
        link.symlink_to(target.private)
    paths.append(str(link))
    routes = ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/", "/studio/download/"]
    routes += ["/studio/download/run/", "/gradio_api/custom_component/x/component/", "/theme.css/"]
    for path in paths:
        for route in routes:
            for form in (
                path,
                quote(path, safe=""),
                f"../../../../..{path}",
                f"..%2f..%2f..%2f..{quote(path, safe='')}",
            ):
                outcome = file_answer(target, f"{route}{form}", route + form)
                if outcome.is_open:
                    yield outcome
        yield Outcome(f"routes of files for {path}", False, f"{4 * len(routes)} spellings")
    for route in ("/gradio_api/proxy=", "/proxy="):
        for url in (f"http://127.0.0.1:{visitor.port}/config", "file:///etc/hostname", "http://169.254.169.254/"):
            answer = visitor.get(route + url)
            yield Outcome(f"{route}{url}", answer.status == 200, f"{answer.status}")


def templates(target: Target) -> Iterator[Outcome]:
    """Choose a base model whose template never ends or fills memory, as a local path and inside a run."""
    visitor = target.visitor()
    visitor.call(visitor.listener("data-sample-order_slips", "click"), timeout=60)
    versions = wait_for_data(visitor)
    if not versions:
        yield Outcome("templates", False, "no data set could be had, so none was counted", is_left_out=True)
        return
    for name, files in hostile_models(60_000_000 if target.is_quick else 200_000_000).items():
        for place in places(target, visitor, name, files):
            before = target.server_mib()
            listener = visitor.listener("data-special", "change")
            said = visitor.call(listener, {"data-version": versions[0], "setting-model": str(place)})
            outcome = judged(f"draw with {name}", said, target)
            grown = target.server_mib() - before
            if grown > MOST_GROWTH_MIB:
                outcome = Outcome(outcome.name, True, f"the server grew by {grown:.0f} MiB")
            yield outcome
            yield quick_page(target, f"the page beside {name}")


def places(target: Target, visitor: Visitor, name: str, files: dict[str, str | bytes]) -> list[Path]:
    """Write the model to a folder, and bring it in as part of a run where the studio's home is known."""
    found = [write_model(target.folder / name, files)]
    if target.home:
        before = choices(visitor, "train-run")
        inside = {f"model/{inner}": content for inner, content in files.items()}
        bring(visitor, Hostile(name, pack(honest(name) | inside)))
        found += [target.home / "runs" / run / "model" for run in choices(visitor, "train-run") - before]
    return found


def write_model(folder: Path, files: dict[str, str | bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def wait_for_data(visitor: Visitor, seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Return the data sets once there is one; reading takes a moment."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = sorted(choices(visitor, "data-library"))
        if found:
            return found
        time.sleep(0.5)
    return []


def quick_page(target: Target, name: str) -> Outcome:
    answer = target.visitor().get("/config", timeout=PATIENCE_SECONDS)
    late = answer.status != 200 or answer.seconds > target.page_seconds
    return Outcome(name, late, f"status {answer.status} in {answer.seconds:.2f} s")


GROUPS = (file_routes, archives, templates)
