"""A model's own chat template and tokenizer, made to do harm.

They ran in the server: a template without an end held a lock that other visitors waited for, and one that doubled a
string took 22 GB of the server's memory.
"""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import psutil
import pytest
from jinja2 import TemplateError, nodes
from jinja2.ext import Extension

from studio.data.examples import Example, Message
from studio.data.tokenizing.limits import ProcessBounds, TooMuch
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.template_sandbox import MOST_SOURCE, Sandbox
from studio.errors import DataError, ModelError, StudioError
from studio.jobs.rendering import Rendering, RenderingLimits
from studio.jobs.rendering_process import RenderingProcess
from studio.runs.diagnosis import diagnose_lost
from tests.security.hostile_models import write_model

pytestmark = pytest.mark.security

EXAMPLE = Example((Message("user", "a" * 40 + "!"), Message("assistant", "b")))
LONG = Example((Message("user", "a" * 3000 + "!"), Message("assistant", "b")))
ENDLESS_REGEX = "a*a*$"
"""It tries every pair of places in `LONG` from every place: below what the library of regular expressions minds."""
PANIC_REGEX = "(a|a|aa)+$"

LOOPS = {
    "nested": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "filtered": "{% for a in range(99999) %}{% for b in range(99999) if false %}{% endfor %}{% endfor %}",
    "recursive": "{% for a in range(9999) recursive %}{% if loop.depth < 4 %}{{ loop(range(9999)) }}{% endif %}"
    "{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "callers": "{% macro f() %}{{ caller() }}{% endmacro %}{% for a in range(99999) %}{% for b in range(99999) %}"
    "{% call f() %}{% endcall %}{% endfor %}{% endfor %}",
    "marked": "{% generation %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    "{% endgeneration %}",
}

LARGE = {
    "product": "{{ 'x' * 3000000000 }}",
    "doubling": "{% set n = namespace(x='xxxxxxxxxxxxxxxx') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}"
    "{% endfor %}",
    "percent": "{{ '%03000000000d' % 1 }}",
    "format": "{{ '{:>3000000000}'.format(1) }}",
    "padding filter": "{{ messages[0].content | center(3000000000) }}",
    "padding method": "{{ messages[0].content.ljust(3000000000) }}",
    "zeros": "{{ messages[0].content.zfill(3000000000) }}",
    "tabs": "{{ ('\\t' * 1000).expandtabs(3000000) }}",
    "replacing": "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "joining": "{{ range(99999) | join('x' * 100000) }}",
    "bytes": "{{ (1).to_bytes(3000000000) }}",
    "list": "{{ ([1] * 1000000000) | length }}",
}

REFUSED = {
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}{{ y }}",
    "extends": "{% extends 'x' %}",
    "attributes": "{{ messages.__class__.__mro__[0].__subclasses__() }}",
    "globals": "{{ raise_exception.__globals__['os'] }}",
    "filler": "{{ lipsum(n=1000000) }}",
    "large range": "{{ range(1000000000) | list }}",
    "change": "{{ messages.append(1) }}",
}

SOURCES = {
    "long": "{# " + "x" * MOST_SOURCE + " #}",
    "deep": "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "deep blocks": "{% if 1 %}" * 3_000 + "{% endif %}" * 3_000,
    "many loops": "{% for a in b %}" * 40 + "{% endfor %}" * 40,
    "unclosed": "{% for a in b %}",
}


class Marks(Extension):
    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser) -> nodes.Node:  # type: ignore[no-untyped-def]
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


@pytest.fixture
def rendering() -> Iterator[Rendering]:
    with closing(Rendering(limits=RenderingLimits(seconds=4, opening_seconds=60))) as opened:
        yield opened


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_without_an_end_is_ended(name: str) -> None:
    """The clock is one that goes on by a second with each look."""
    sandbox = Sandbox(Marks, now=datetime.now, clock=itertools.count().__next__)
    template = sandbox.from_string(LOOPS[name])
    with pytest.raises(TooMuch, match="took longer than 3 seconds"):
        sandbox.fill(template, {"messages": []}, letters=0)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_cannot_be_compiled_is_a_sentence(name: str, tmp_path: Path) -> None:
    """Jinja's own recursion error went to the page as a bug."""
    with pytest.raises(ModelError, match="chat template"):
        ChatRenderer.load(write_model(tmp_path / "model", SOURCES[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_what_leads_out_of_the_sandbox_is_refused(name: str, tmp_path: Path) -> None:
    renderer = ChatRenderer.load(write_model(tmp_path / "model", REFUSED[name]))
    with pytest.raises(DataError, match="refuses a conversation"):
        renderer.render(EXAMPLE)


def test_text_without_measure_is_a_sentence(rendering: Rendering, tmp_path: Path) -> None:
    """The largest of them took 22 GB of the server. One process is asked after the other, each a model of its own."""
    before = psutil.Process().memory_info().rss
    for name, template in LARGE.items():
        folder = write_model(tmp_path / name.replace(" ", "-"), template + "x")
        with pytest.raises(StudioError) as raised:
            rendering.show(folder, EXAMPLE)
        assert "chat template" in raised.value.message, name
    assert psutil.Process().memory_info().rss - before < 64 * 2**20


def test_an_output_of_fifty_megabytes_is_a_sentence(rendering: Rendering, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", "{% for a in range(500) %}{{ 'word ' * 20000 }}{% endfor %}")
    with pytest.raises(TooMuch, match="writes 50,000,000 letters for a conversation of 42"):
        rendering.show(folder, EXAMPLE)


def test_a_tokenizer_without_an_end_delays_no_other_model(rendering: Rendering, tmp_path: Path) -> None:
    """Everybody waited for one lock, which was held by a regular expression that never ended."""
    hostile, good = write_model(tmp_path / "hostile", regex=ENDLESS_REGEX), write_model(tmp_path / "good")
    began, raised = threading.Event(), []

    def ask() -> None:
        began.set()
        try:
            rendering.show(hostile, LONG)
        except ModelError as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    began.wait()
    shown = rendering.show(good, EXAMPLE)
    assert asking.is_alive(), "the other model answered only after the hostile one was ended"
    assert "".join(piece.text for piece in shown.pieces).startswith("user")
    asking.join()
    assert "tokenizer of hostile took longer than 4 seconds" in raised[0].message


def test_a_tokenizer_that_panics_is_a_sentence(rendering: Rendering, tmp_path: Path) -> None:
    """What Rust raises then is no Exception, so it ended whatever had asked."""
    with pytest.raises(TooMuch, match="tokenizer broke off"):
        rendering.show(write_model(tmp_path / "model", regex=PANIC_REGEX), EXAMPLE)


def test_what_took_too_much_is_not_tried_again_at_once(tmp_path: Path) -> None:
    """A page that draws itself once a second would start a process a second."""
    now, started = [0.0], []

    def start(folder: Path) -> RenderingProcess:
        started.append(folder)
        return RenderingProcess(folder)

    hostile = write_model(tmp_path / "hostile", regex=ENDLESS_REGEX)
    limits = RenderingLimits(seconds=1, opening_seconds=60)
    with closing(Rendering(limits=limits, start=start, clock=lambda: now[0])) as rendering:
        for _ in range(3):
            with pytest.raises(TooMuch, match="took longer than"):
                rendering.show(hostile, LONG)
        assert len(started) == 1
        (hostile / "tokenizer.json").write_bytes((write_model(tmp_path / "good") / "tokenizer.json").read_bytes())
        assert rendering.show(hostile, LONG).tokens > 0, "other files are another model"


def test_a_process_that_left_is_started_again(tmp_path: Path) -> None:
    started: list[RenderingProcess] = []

    def start(folder: Path) -> RenderingProcess:
        started.append(RenderingProcess(folder))
        return started[-1]

    folder = write_model(tmp_path / "model")
    with closing(Rendering(limits=RenderingLimits(opening_seconds=60), start=start)) as rendering:
        first = rendering.show(folder, EXAMPLE)
        assert rendering.show(folder, EXAMPLE) is first
        os.kill(started[0].process_id, 9)
        with pytest.raises(TooMuch, match="broke off"):
            rendering.show(folder, Example((Message("user", "c"), Message("assistant", "d"))))


def test_a_worker_that_cannot_go_on_is_ended_and_its_log_says_so(tmp_path: Path) -> None:
    """A regular expression in Rust cannot be interrupted, so the job never ended and nothing said why."""
    folder = write_model(tmp_path / "hostile", regex=ENDLESS_REGEX)
    script = (
        "import sys; from pathlib import Path\n"
        "from studio.data.examples import Example, Message\n"
        "from studio.data.tokenizing.limits import ProcessBounds\n"
        "from studio.data.tokenizing.rendering import ChatRenderer\n"
        "renderer = ChatRenderer.load(Path(sys.argv[1]), bounds=ProcessBounds(seconds=1))\n"
        "example = Example((Message('user', 'a' * 3000 + '!'), Message('assistant', 'b')))\n"
        "list(renderer.render_each([example] * 3))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    found = diagnose_lost(done.stderr, exit_code=1)
    assert found.cause == "bad_input"
    assert "chat template or tokenizer took longer than 1 seconds" in found.message


def test_bounds_let_go_of_the_process_they_were_in() -> None:
    """They are those of the process: what comes after must have its memory and its time again."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = ProcessBounds(seconds=60, memory_bytes=2**28)
    with pytest.raises(TooMuch, match="more memory"), bounds(0):
        bytearray(2**29)
    with bounds(0), bounds(10), pytest.raises(TemplateError):
        raise TemplateError
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytearray(2**29)) == 2**29
