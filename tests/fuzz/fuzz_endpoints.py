"""A fuzzer for the page's listeners: starts a studio, and calls each with fitting and odd values.

    python tests/fuzz/fuzz_endpoints.py --seconds 600 [--seed 1] [--log FILE]

Findings are: a trace in the server's log that is no refusal of Gradio's, no answer in 20 s, a server that ended, and
memory beyond --mib. Each kind is printed once with the call that led to it, and counted. The studio has a home of its
own, deleted at the end, asks no Hub, and has a bound of memory. Not collected by pytest; exit status 1 when something
was found.
"""

import argparse
import json
import os
import random
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.fuzz.server_log import Log, is_refusal, kind_of  # noqa: E402
from tests.security.attempts import choices  # noqa: E402
from tests.security.hostile_archives import honest, pack  # noqa: E402
from tests.security.visitor import Visitor  # noqa: E402

MEMORY_BYTES = 12 * 2**30
LONGEST_SECONDS = 20.0
LEFT_ALONE = ("data-add-hub", "model-download")
"""Listeners that would ask the network."""

ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        2**63,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        -0.0,
        "",
        " ",
        "a\0b",
        "\ud800",
        "x" * 200_000,
    ),
    *(
        "../../x",
        "/etc/hostname",
        "1e999",
        "NaN",
        "{{ 7 * 7 }}",
        "<script>a()</script>",
        "\u202e",
        [],
        {},
        [None],
        [[1]],
    ),
    *(
        {"a": 1},
        {"path": "/etc/hostname"},
        {"__type__": "update", "value": 1},
        [[["x"]] * 50] * 50,
        {"headers": 1, "data": 2},
    ),
)
VERBS = (
    "open",
    "delete",
    "restore",
    "move",
    "stop",
    "resume",
    "empty",
    "train",
    "choose",
    "page",
    "sort",
    "all",
    "more",
    "",
)


class Fuzzer:
    """Makes the values of a call. Knows the runs and data sets that there are, so that many calls get further."""

    def __init__(self, visitor: Visitor, rng: random.Random) -> None:
        self.visitor, self.rng = visitor, rng
        self.verbs = sorted({*VERBS, *re.findall(r"data-verb=\\?\"([\w-]+)", json.dumps(visitor.config))})
        self.known: list[str] = ["none"]

    def look(self) -> None:
        """Learn which runs and data sets there are now."""
        found = choices(self.visitor, "train-run") | choices(self.visitor, "data-library")
        self.known = sorted(found) or ["none"]

    def data(self, listener: Mapping[str, Any]) -> list[Any]:
        """Return a value for each input: most as the page would send them, some of the right kind, a few odd ones."""
        values = self.visitor.inputs(listener, {})
        for place, id in enumerate(listener["inputs"]):
            turn = self.rng.random()
            if turn < 0.25:
                values[place] = self.rng.choice(ODD)
            elif turn < 0.65:
                values[place] = self.fitting(self.visitor.components.get(id, {"type": "api", "props": {}}))
        if self.rng.random() < 0.03:
            return values[: self.rng.randrange(len(values) + 1)]
        return values

    def fitting(self, component: Mapping[str, Any]) -> Any:
        """Return a value such as the component could send, at its edges or a little beyond."""
        kind, props, rng = component["type"], component["props"], self.rng
        if kind in ("number", "slider"):
            least, most = props.get("minimum"), props.get("maximum")
            edges = [each for each in (least, most) if each is not None]
            return rng.choice([*edges, *(each + 1 for each in edges), 0, 1, -1, 2.5, 7])
        if kind in ("dropdown", "radio", "checkboxgroup"):
            offered = [each[1] if isinstance(each, list) else each for each in props.get("choices") or []]
            one = rng.choice([*offered, *self.known])
            return [one] if props.get("multiselect") or kind == "checkboxgroup" else one
        if kind == "checkbox":
            return rng.random() < 0.5
        if kind == "file" or kind == "uploadbutton":
            return self.file(props)
        return rng.choice([*self.known, f"run:{rng.choice(self.known)}", "Hello", "1", json.dumps({"a": 1}), [], {}])

    def file(self, props: Mapping[str, Any]) -> Any:
        contents: tuple[tuple[str, bytes], ...] = (
            ("a.csv", b"prompt,completion\nHi,Hello\nYou,Me\n"),
            ("a.jsonl", b'{"prompt": "Hi", "completion": "Hello"}\n' * 5),
            ("a.zip", pack(honest(f"run {self.rng.random()}"))),
            ("a.xlsx", self.rng.randbytes(500)),
        )
        file = self.visitor.file(*self.rng.choice(contents))
        return [file] if props.get("file_count") == "multiple" else file

    def event(self) -> Any:
        """Return what an event carries: most often a press, as the page's own buttons send it."""
        rng = self.rng
        if rng.random() < 0.3:
            return rng.choice(ODD)
        keys = [*self.known, "0", "1", "-1", "9" * 30, "../x", "validation_loss"]
        return {"verb": rng.choice(self.verbs), "key": rng.choice(keys), "value": rng.choice([*keys, ""])}


class Findings:
    """What was found: each kind is printed once and counted."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}
        self.refusals = 0

    def note(self, kind: str, details: str) -> None:
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] == 1:
            say(f"FOUND {kind}\n{details}")


def start(home: Path, log: Path) -> tuple["subprocess.Popen[bytes]", str]:
    """Start a studio on a free port, with a bound of memory, and wait for its page."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"STUDIO_HOME": str(home), "STUDIO_PORT": str(port), "HF_HUB_OFFLINE": "1", "STUDIO_EVALUATE": "0"}
    process = subprocess.Popen(
        [sys.executable, "app.py", "--no-starter"],
        cwd=PROJECT,
        env={**os.environ, **own},
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while Visitor(url).get("/config").status != 200:
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit(f"The studio did not start:\n{log.read_text(encoding='utf-8')[-2_000:]}")
        time.sleep(0.3)
    return process, url


def main() -> int:
    """Fuzz as the arguments say; return 1 when something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mib", type=float, default=2_000.0, help="what the server itself may hold")
    parser.add_argument("--log", type=Path, help="where the server's log is kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-endpoints-") as name:
        log = given.log or Path(name) / "server.log"
        process, url = start(Path(name) / "home", log)
        findings = Findings()
        try:
            calls = fuzz(Visitor(url, timeout=LONGEST_SECONDS), process, Log(log), findings, given)
        finally:
            end(process)
    say(f"{calls} calls, {findings.refusals} refusals in the log, {len(findings.kinds)} kinds of findings.")
    for kind, count in sorted(findings.kinds.items(), key=lambda each: -each[1]):
        say(f"  {count} times {kind}")
    return 1 if findings.kinds else 0


def fuzz(
    visitor: Visitor, process: "subprocess.Popen[bytes]", log: Log, findings: Findings, given: argparse.Namespace
) -> int:
    """Call listeners until the time is up; returns how many calls were made."""
    fuzzer = Fuzzer(visitor, random.Random(given.seed))
    alone = {visitor.id_of(name) for name in LEFT_ALONE}
    listeners = [each for each in visitor.listeners if not alone & {id for id, _ in each["targets"]}]
    server, calls, worst, shown = psutil.Process(process.pid), 0, 0.0, time.monotonic()
    until = time.monotonic() + given.seconds
    while time.monotonic() < until and process.poll() is None:
        if calls % 100 == 0:
            fuzzer.look()
        listener = fuzzer.rng.choice(listeners)
        data, event = fuzzer.data(listener), fuzzer.event()
        said = visitor.call(listener, data=data, event=event)
        calls += 1
        place = f"listener {listener['id']} ({listener['api_name']}) of {listener['targets']}"
        call = f"{place}\n  data {short(data)}\n  event {short(event)}"
        for trace in log.traces():
            if is_refusal(trace):
                findings.refusals += 1
                continue
            findings.note(kind_of(trace), f"{call}\n{trace}")
        if said.is_silent:
            findings.note(
                f"no answer from listener {listener['id']} ({listener['api_name']})", f"{call}\n  {said.error}"
            )
        worst = max(worst, server.memory_info().rss / 2**20) if process.poll() is None else worst
        if worst > given.mib:
            findings.note(f"more than {given.mib:.0f} MiB", call)
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            say(f"{calls} calls, {len(findings.kinds)} kinds of findings, {worst:.0f} MiB at most")
    if process.poll() is not None:
        findings.note(f"the server ended with {process.returncode}", "after the last call")
    return calls


def short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 600 else f"{text[:600]}... ({len(text)} letters)"


def end(process: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started."""
    for each in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
        each.kill()
    process.kill()
    process.wait()


def say(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
