"""Ollama, played by a program that speaks the few calls: asked apart from a person's own, compared, and gone again."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from studio.data.examples import Message
from studio.events import Loading
from studio.jobs.exports import NO_ANSWER, NOT_ASKED, OTHER_ANSWER, SAME_ANSWER
from studio.models.download import Stopped
from studio.workers.gguf_export import compared_with_ollama
from studio.workers.job import Job
from studio.workers.ollama_asking import NoAnswer, ask_ollama

FAKE = """#!{python}
import http.server, json, os, pathlib, sys, time
models, host = pathlib.Path(os.environ["OLLAMA_MODELS"]), os.environ["OLLAMA_HOST"]
told = pathlib.Path({told!r})
command = sys.argv[1]
with told.open("a") as file:
    file.write(json.dumps([sys.argv[1:], os.environ["HOME"], sorted(os.environ)]) + "\\n")
if {broken!r} == command:
    sys.exit("it is broken")
if command == "create":
    models.mkdir(exist_ok=True)
    text = pathlib.Path(sys.argv[4]).read_text()
    assert (pathlib.Path(sys.argv[4]).parent / text.split("FROM ./")[1].splitlines()[0]).is_file()
    (models / sys.argv[2]).write_text(text)
elif command == "rm":
    (models / sys.argv[2]).unlink()
elif command == "serve":
    class Answers(http.server.BaseHTTPRequestHandler):
        def log_message(self, *arguments): pass
        def do_GET(self): self.send({{"version": "0.9"}})
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert (models / asked["model"]).is_file() and self.path == "/api/chat" and not asked["stream"]
            assert asked["options"]["temperature"] == 0 and asked["options"]["num_predict"] == 3
            self.send({answer!r} or {{"message": {{"content": " to " + asked["messages"][-1]["content"] + "\\n"}}}})
        def send(self, said):
            body = json.dumps(said).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
    name, port = host.split(":")
    http.server.HTTPServer((name, int(port)), Answers).serve_forever()
"""
QUESTION = (Message("user", "whom?"),)


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "x.gguf").write_bytes(b"GGUF")
    return tmp_path / "file" / "x.gguf"


def fake(tmp_path: Path, *, broken: str = "", answer: object = None) -> str:
    path = tmp_path / "ollama"
    path.write_text(FAKE.format(python=sys.executable, told=str(tmp_path / "told"), broken=broken, answer=answer))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def compare(gguf: Path, program: str | None, *, expected: str = "to whom?") -> tuple[str, list[str]]:
    said: list[str] = []

    def hear(event: object) -> None:
        if isinstance(event, Loading):
            said.append(event.what)

    text = "FROM ./x.gguf\n"
    found = compared_with_ollama(Job(hear), gguf, text, QUESTION, expected=expected, tokens=3, program=program)
    return found, said


def left(gguf: Path) -> set[str]:
    return {path.name for path in gguf.parent.iterdir()}


def test_without_ollama_it_is_not_asked(gguf: Path) -> None:
    assert compare(gguf, None) == (NOT_ASKED, [])


def test_the_same_answer_is_the_same_but_for_spaces(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert compare(gguf, fake(tmp_path)) == (SAME_ANSWER, ["Asking Ollama, which is on this machine"])
    assert left(gguf) == {"x.gguf", "Modelfile"}
    told = (tmp_path / "told").read_text()
    assert [line.split('"')[1] for line in told.splitlines()] == ["serve", "create", "rm"]
    assert str(Path.home()) + '"' not in told, "a person's own Ollama is left alone"
    assert "HF_TOKEN" not in told


def test_another_answer_is_told(gguf: Path, tmp_path: Path) -> None:
    assert compare(gguf, fake(tmp_path), expected="to nobody")[0] == OTHER_ANSWER


@pytest.mark.parametrize("broken", ["serve", "create", "rm"])
def test_one_that_is_broken_is_no_reason_to_keep_nothing(gguf: Path, tmp_path: Path, broken: str) -> None:
    assert compare(gguf, fake(tmp_path, broken=broken))[0] == NO_ANSWER
    assert left(gguf) == {"x.gguf", "Modelfile"}


@pytest.mark.parametrize("answer", [{"error": "no"}, {"message": {"content": 5}}, ["x"]], ids=str)
def test_an_answer_that_makes_no_sense_is_none(gguf: Path, tmp_path: Path, answer: object) -> None:
    assert compare(gguf, fake(tmp_path, answer=answer))[0] == NO_ANSWER


def test_it_ends_when_asked_to_and_leaves_no_server(gguf: Path, tmp_path: Path) -> None:
    program = fake(tmp_path)
    (gguf.parent / "Modelfile").write_text("FROM ./x.gguf\n")
    with pytest.raises(Stopped):
        ask_ollama(gguf.parent / "Modelfile", QUESTION, program=program, tokens=3, should_stop=lambda: True)
    assert left(gguf) == {"x.gguf", "Modelfile"}
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert program not in running


def test_a_program_that_cannot_be_started_is_no_answer(gguf: Path, tmp_path: Path) -> None:
    (gguf.parent / "Modelfile").write_text("FROM ./x.gguf\n")
    with pytest.raises(NoAnswer):
        ask_ollama(gguf.parent / "Modelfile", QUESTION, program=os.devnull, tokens=3, should_stop=lambda: False)
