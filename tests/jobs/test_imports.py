"""Bringing data in by the real worker, which needs no torch, and what the page is told of it."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import codec
from studio.data.conversion.roles import assign
from studio.data.library import DatasetLibrary
from studio.data.reading_choices import Change
from studio.errors import DataError
from studio.events import Failed, Finished, Loading, Saved, Started
from studio.jobs.imports import KEPT_SECONDS, ImportRequest, Imports, ImportState
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Import
from studio.runs.launcher import launch


@pytest.fixture
def imports(tmp_path: Path) -> Imports:
    return Imports(tmp_path, jobs=Jobs(launch))


@pytest.fixture
def library(tmp_path: Path) -> DatasetLibrary:
    return DatasetLibrary(tmp_path, samples_folder=tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text("question,answer\nWhy?,Because.\nHow?,So.\nHow?,So.\n")
    return path


def end(imports: Imports, id: str) -> ImportState:
    deadline = time.monotonic() + 30
    while (state := imports.state(id)).working:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return state


def test_a_file_becomes_a_data_set(imports: Imports, library: DatasetLibrary, file: Path, tmp_path: Path) -> None:
    id = imports.start(ImportRequest(files=(str(file),), name="Pairs"))
    file.unlink()
    state = end(imports, id)
    assert state.failed is None
    dataset = library.get(state.result)
    assert (dataset.name, dataset.inspection.usable) == ("Pairs", 3)
    assert not (tmp_path / "imports" / id / "files").exists(), "the library has its own copy"
    assert imports.working() == ()


def test_a_table_copied_from_word_is_read(imports: Imports, library: DatasetLibrary) -> None:
    """Its cells come with tabs between them; a page of text with one cell a line is no table any more."""
    rows = ["Question\tAnswer", *(f"Where is bike {n}?\tIn the yard, number {n}." for n in range(6))]
    made = library.get(imports.wait(imports.start(ImportRequest(pasted="\r\n".join(rows)))))
    assert (made.inspection.usable, made.inspection.roles.answer) == (6, "Answer")


def test_several_files_pasted_text_and_typed_rows(imports: Imports, library: DatasetLibrary, file: Path) -> None:
    other = file.with_name("more.csv")
    other.write_text("question,answer\nWho?,Me.\n")
    both = library.get(imports.wait(imports.start(ImportRequest(files=(str(file), str(other))))))
    assert both.inspection.usable == 4
    pasted = imports.start(
        ImportRequest(pasted='{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}')
    )
    assert library.get(imports.wait(pasted)).inspection.usable == 2
    rows = (("What, exactly?", 'He said "no".\nTwice.'), ("=1+1", "two"))
    typed = library.examples(imports.wait(imports.start(ImportRequest(typed=rows, name="Mine"))))
    assert [tuple(message.content for message in each.messages) for each in typed] == list(rows)


def test_reading_a_data_set_again(imports: Imports, library: DatasetLibrary, file: Path) -> None:
    first = imports.wait(imports.start(ImportRequest(files=(str(file),))))
    second = imports.wait(imports.start(ImportRequest(of=first, changes=(Change("drop-duplicates"),))))
    assert library.get(second).inspection.usable == 2
    swapped = assign({"answer": "prompt", "question": "answer"})
    third = imports.wait(imports.start(ImportRequest(of=second, roles=swapped)))
    assert library.examples(third)[0].messages[0].content == "Because."
    assert [each.version for each in library.versions(first)] == [1, 2, 3]


def test_what_cannot_be_read_is_a_sentence_that_stays(imports: Imports, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    id = imports.start(ImportRequest(files=(str(picture),)))
    state = end(imports, id)
    assert state.failed is not None
    assert "PNG" in state.failed.message
    assert state.failed.hint
    assert Imports(tmp_path, jobs=Jobs(launch)).state(id) == state, "a page that was reloaded sees it too"
    assert (tmp_path / "imports" / id / "files" / "1" / "picture.png").is_file(), "nothing is lost"
    with pytest.raises(DataError, match="PNG"):
        imports.wait(id)


def test_nothing_to_add(imports: Imports, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to add"):
        imports.start(ImportRequest(pasted="  \n"))
    with pytest.raises(DataError, match="not there any more"):
        imports.start(ImportRequest(files=(str(tmp_path / "none.csv"),)))
    for id in ("", "..", "0" * 16):
        with pytest.raises(DataError, match="not known any more"):
            imports.state(id)


def test_a_large_file_can_be_cancelled(imports: Imports, library: DatasetLibrary, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("w") as file:
        for number in range(300_000):
            file.write(f'{{"prompt": "What is {number}?", "completion": "It is {number}, and that is that."}}\n')
    id = imports.start(ImportRequest(files=(str(path),)))
    deadline = time.monotonic() + 60
    while not (state := imports.state(id)).done:
        assert state.working, state
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert 0 < state.done <= state.total
    imports.cancel(id)
    state = end(imports, id)
    assert state.status == "stopped"
    assert library.all() == ()
    assert [each.name for each in (tmp_path / "datasets").iterdir() if each.name.startswith(".adding")] == []


def test_an_import_that_ended_is_not_signalled(tmp_path: Path, fake_launch, say: Callable[..., None]) -> None:
    """Its process id was signalled all the same, which may be another process by now."""
    imports = Imports(tmp_path, jobs=Jobs(fake_launch))
    id = imports.start(ImportRequest(pasted="text"))
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    say(Import(tmp_path / "imports" / id).paths.events, Started(bystander.pid, "import"), Failed("data", "No.", ""))
    fake_launch.end()
    imports.cancel(id)
    Imports(tmp_path, jobs=Jobs(fake_launch)).cancel(id)
    with pytest.raises(subprocess.TimeoutExpired):
        bystander.wait(0.3)
    bystander.kill()
    bystander.wait()


def test_names_are_made_fit_to_be_kept(tmp_path: Path, fake_launch) -> None:
    imports = Imports(tmp_path, jobs=Jobs(fake_launch))
    id = imports.start(ImportRequest(pasted="te\ud800xt", name="a\n\u202eb\x00\ud800 " + "c" * 5_000_000))
    kept = codec.loads(ImportRequest, (tmp_path / "imports" / id / "request.json").read_text())
    assert kept.name.startswith("a b ccc")
    assert len(kept.name) <= 200


def test_what_the_page_is_told(tmp_path: Path, fake_launch, say: Callable[..., None]) -> None:
    imports = Imports(tmp_path, jobs=Jobs(fake_launch))
    id = imports.start(ImportRequest(pasted="text"))
    events = Import(tmp_path / "imports" / id).paths.events
    assert fake_launch.tasks == [Import(tmp_path / "imports" / id)]
    assert imports.state(id) == JobState("working", "Starting.")
    say(events, Started(1, "import"), Loading("Reading", 5, 10, "bytes"))
    assert imports.state(id) == JobState("working", "Reading", done=5, total=10, unit="bytes")
    assert imports.working() == (id,)
    say(events, Saved(0, "datasets/some-0123456789"), Finished("finished", "", 1.0))
    fake_launch.end()
    assert imports.state(id) == JobState("ready", "Added.", "some-0123456789")


def test_a_worker_that_dies(tmp_path: Path, fake_launch, say: Callable[..., None]) -> None:
    imports = Imports(tmp_path, jobs=Jobs(fake_launch))
    id = imports.start(ImportRequest(pasted="text"))
    say(Import(tmp_path / "imports" / id).paths.events, Started(1, "import"))
    fake_launch.end(-11)
    state = imports.state(id)
    assert isinstance(state.failed, Failed)
    assert "ended before it was done" in state.sentence


def test_old_imports_are_swept(tmp_path: Path, fake_launch, say: Callable[..., None]) -> None:
    now = [1000.0]
    imports = Imports(tmp_path, jobs=Jobs(fake_launch), clock=lambda: now[0])
    id = imports.start(ImportRequest(pasted="text"))
    events = Import(tmp_path / "imports" / id).paths.events
    say(events, Started(1, "import"), Failed("data", "No.", "Yes."))
    fake_launch.end()
    os.utime(tmp_path / "imports" / id, (1000.0, 1000.0))
    fresh = imports.start(ImportRequest(pasted="more"))
    assert imports.state(id).failed is not None
    now[0] += KEPT_SECONDS + 1
    fake_launch.end()
    imports.start(ImportRequest(pasted="more still"))
    with pytest.raises(DataError, match="not known"):
        imports.state(id)
    assert imports.state(fresh) is not None


def test_an_archive_is_unpacked_in_the_data_folder(
    imports: Imports, library: DatasetLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's folder for temporary files may be in memory, and keeps what a killed worker leaves there."""
    archive = tmp_path / "pairs.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("pairs.csv", "question,answer\nWhy?,Because.\nHow?,So.\n")
    monkeypatch.setenv("TMPDIR", "/dev/null")
    id = imports.start(ImportRequest(files=(str(archive),)))
    assert library.get(imports.wait(id)).inspection.usable == 2
    assert not (tmp_path / "imports" / id / "files").exists()
