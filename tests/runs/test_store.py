import os
import random
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from studio.compare import conversations, sheets
from studio.config import RunConfig
from studio.data.example_files import read_examples
from studio.data.examples import Example, Message
from studio.errors import RunError
from studio.runs import lock
from studio.runs.store import DISCARD, KEEP, MOST_NOTE, About, RunFolder, RunGroup, RunOrigin, RunStore

EXAMPLES = tuple(Example((Message("user", f"{row}?"), Message("assistant", f"{row}!")), row) for row in range(4))


@pytest.fixture
def clock() -> Iterator[float]:
    return (1_790_000_000.0 + tick for tick in count())


@pytest.fixture
def store(tmp_path: Path, clock: Iterator[float]) -> RunStore:
    return RunStore(tmp_path, lambda: next(clock), rng=random.Random(3))


def create(store: RunStore, config: RunConfig | None = None) -> RunFolder:
    return store.create(
        config or RunConfig(name="First run"),
        dataset_id="keeper-1",
        dataset_name="Keeper",
        dataset_sha256="ab",
        train=EXAMPLES[:3],
        validation=EXAMPLES[3:],
    )


def save_adapter(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")


def test_a_new_run_can_be_opened_again(store: RunStore, tmp_path: Path) -> None:
    run = create(store, RunConfig(name="First run", rank=4, chosen_modules=("q_proj",)))
    again = store.get(run.id)
    assert again == run
    assert again.config == RunConfig(name="First run", rank=4, chosen_modules=("q_proj",))
    assert again.origin == RunOrigin("keeper-1", "Keeper", "ab", 1_790_000_000.0, "starter")
    assert read_examples(again.train_path) == EXAMPLES[:3]
    assert read_examples(again.validation_path) == EXAMPLES[3:]
    assert re.fullmatch(r"\d{8}-\d{6}-first-run", run.id)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [run.id]
    assert run.exports.is_dir()


def test_a_run_knows_the_group_that_it_was_started_with(store: RunStore) -> None:
    group = RunGroup("0123456789abcdef", "shop", ("rank", "dataset"), gives_way=True)
    data = {"dataset_id": "d", "dataset_name": "D", "dataset_sha256": "", "train": EXAMPLES, "validation": ()}
    run = store.create(RunConfig(name="shop, rank 8"), group=group, **data)  # type: ignore[arg-type]
    assert RunStore(run.path.parent.parent).get(run.id).origin.group == group
    origin = run.path / "origin.json"
    origin.write_text(origin.read_text(encoding="utf-8").replace("0123456789abcdef", "no such id"), encoding="utf-8")
    with pytest.raises(RunError, match=r"origin\.json is missing or damaged"):
        RunStore(run.path.parent.parent).get(run.id)


def test_a_run_without_a_name_gets_a_memorable_one(store: RunStore) -> None:
    first, second = create(store, RunConfig(name="  ")), create(store, RunConfig())
    assert re.fullmatch(r"[a-z]+-[a-z]+", first.config.name)
    assert first.id.endswith(first.config.name)
    assert first.config.name != second.config.name


def test_runs_of_the_same_second_and_name_stay_apart(tmp_path: Path) -> None:
    store = RunStore(tmp_path, lambda: 1_790_000_000.0)
    ids = {create(store).id for _ in range(3)}
    assert len(ids) == 3
    assert {run.id for run in store.all()} == ids


def test_the_newest_run_comes_first(store: RunStore) -> None:
    first, second, third = create(store), create(store), create(store)
    assert store.all() == (third, second, first)


def test_no_folder_has_no_runs(tmp_path: Path) -> None:
    assert RunStore(tmp_path / "none").all() == ()


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"rank": "four"}', "\x00"])
@pytest.mark.parametrize("name", ["config.json", "origin.json"])
def test_a_damaged_run_does_not_hide_the_others(store: RunStore, name: str, text: str | None) -> None:
    whole, damaged = create(store), create(store)
    (damaged.path / name).unlink()
    if text is not None:
        (damaged.path / name).write_text(text, encoding="utf-8")
    (damaged.path.parent / "stray-file").write_text("", encoding="utf-8")
    (damaged.path.parent / "empty-folder").mkdir()
    (damaged.path.parent / ".new-left-over").mkdir()
    assert store.all() == (whole,)
    with pytest.raises(RunError, match="missing or damaged"):
        store.get(damaged.id)


@pytest.mark.parametrize("id", ["", ".", "..", "../runs", "/etc", "a/b", ".new-x", "nothing", "x\n", "a\x00b"])
def test_an_unknown_run_is_a_sentence(store: RunStore, id: str) -> None:
    create(store)
    with pytest.raises(RunError, match="There is no run"):
        store.get(id)


def test_a_run_is_found_by_the_name_that_a_person_gave_it(store: RunStore) -> None:
    first, second = create(store), create(store)
    store.describe(second.id, name="Shop  answers")
    assert store.named(first.id) == first
    assert store.named("first run") == first
    assert store.named(" shop answers ") == second
    third = create(store)
    with pytest.raises(RunError) as caught:
        store.named("First run")
    assert first.id in caught.value.hint
    assert third.id in caught.value.hint
    with pytest.raises(RunError, match="no run 'nobody'") as caught:
        store.named("nobody")
    assert "'Shop answers'" in caught.value.hint or "'Shop  answers'" in caught.value.hint


def test_a_name_that_is_taken_gets_a_number(store: RunStore) -> None:
    assert store.free_name("First run") == "First run"
    create(store)
    assert store.free_name("first run") == "first run (2)"
    create(store, RunConfig(name="First run (2)"))
    assert store.free_name("First run") == "First run (3)"


def test_a_run_is_deleted_with_all_it_has(store: RunStore, tmp_path: Path) -> None:
    run = create(store)
    save_adapter(run.path / "adapter")
    store.delete(run.id)
    assert list((tmp_path / "runs").iterdir()) == []
    with pytest.raises(RunError, match="There is no run"):
        store.delete(run.id)


@pytest.mark.parametrize("held", ["run.lock", "exports/merged.lock"])
def test_a_run_at_work_is_not_deleted(store: RunStore, held: str) -> None:
    run = create(store)
    with lock.holding(run.path / held), pytest.raises(RunError, match="still at work"):
        store.delete(run.id)
    assert store.all() == (run,)
    store.delete(run.id)
    assert store.all() == ()


def test_a_run_is_alive_while_its_lock_is_held(store: RunStore) -> None:
    run = create(store)
    assert not run.is_alive()
    with lock.holding(run.lock_path):
        assert run.is_alive()
    assert not run.is_alive()


def test_the_adapter_is_the_result_else_the_newest_whole_checkpoint(store: RunStore) -> None:
    run = create(store)
    assert run.result is None
    save_adapter(run.path / "checkpoints" / "step-9")
    save_adapter(run.path / "checkpoints" / "step-10")
    save_adapter(run.path / "checkpoints" / ".step-11.tmp")
    (run.path / "checkpoints" / "step-12").mkdir()
    assert run.result == run.path / "checkpoints" / "step-10"
    save_adapter(run.path / "adapter")
    assert run.result == run.path / "adapter"


def test_the_tail_of_the_log_shows_whole_last_lines(store: RunStore) -> None:
    run = create(store)
    assert run.log_tail() == ""
    run.log_path.write_bytes(b"".join(b"line %d\n" % line for line in range(100_000)))
    assert run.log_tail(3) == "line 99997\nline 99998\nline 99999"
    assert len(run.log_tail().split("\n")) == 40
    run.log_path.write_bytes("a\r\n10%\r 50%\r100%\nsch\xf6n \xff".encode("latin-1"))
    assert run.log_tail(9) == "a\n100%\nsch\N{REPLACEMENT CHARACTER}n \N{REPLACEMENT CHARACTER}"


def test_a_data_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(RunError, match="cannot be written"):
        create(RunStore(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_data_folder_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(RunError, match="cannot be written"):
        create(RunStore(tmp_path))


def test_nothing_half_written_is_left(store: RunStore, tmp_path: Path) -> None:
    class BrokenDisk(tuple[Example, ...]):
        def __iter__(self) -> Iterator[Example]:
            raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="No space left"):
        store.create(RunConfig(), dataset_id="", dataset_name="", dataset_sha256="", train=BrokenDisk(), validation=())
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_is_renamed_and_annotated_at_any_time(store: RunStore) -> None:
    run = create(store)
    assert (run.name, run.about) == ("First run", About())
    with lock.holding(run.lock_path):
        store.describe(run.id, name="  Better name ", note="Learned on Tuesday.")
    assert (run.name, run.about.note) == ("Better name", "Learned on Tuesday.")
    store.describe(run.id, note="")
    assert (run.name, run.about.note) == ("Better name", "")
    store.describe(run.id, name="", note="x" * 10_000)
    assert (run.name, len(run.about.note)) == ("First run", MOST_NOTE)
    (run.path / "about.json").write_text("{", encoding="utf-8")
    assert run.name == "First run"
    with pytest.raises(RunError, match="no run"):
        store.describe("none", name="x")


def test_what_could_not_be_written_leaves_nothing_behind(store: RunStore) -> None:
    """On a full disk a hidden half of it stayed in the run's folder."""
    run = create(store)
    (run.path / "about.json").mkdir()
    before = set(run.path.iterdir())
    with pytest.raises(RunError, match="cannot be written"):
        store.describe(run.id, name="Other")
    assert set(run.path.iterdir()) == before


def test_only_a_run_that_never_started_changes_its_settings(store: RunStore) -> None:
    run = create(store)
    changed = store.change(run.id, RunConfig(name="ignored", rank=32))
    assert (changed.config.rank, changed.name) == (32, "First run")
    assert [each.config.rank for each in store.all()] == [32]
    with lock.holding(run.lock_path), pytest.raises(RunError, match="still at work"):
        store.change(run.id, RunConfig())
    run.log_path.touch()
    with pytest.raises(RunError, match="started already"):
        store.change(run.id, RunConfig())


def test_a_copy_has_the_settings_and_the_data_and_has_not_started(store: RunStore) -> None:
    run = create(store, RunConfig(name="First run", rank=4))
    save_adapter(run.path / "adapter")
    run.log_path.touch()
    copy = store.duplicate(run.id)
    assert copy.id != run.id
    assert copy.name != run.name
    assert copy.config.rank == 4
    assert (copy.origin.dataset_id, copy.origin.dataset_sha256) == ("keeper-1", "ab")
    assert read_examples(copy.train_path) == EXAMPLES[:3]
    assert read_examples(copy.validation_path) == EXAMPLES[3:]
    assert copy.result is None
    assert not copy.was_launched


def test_what_is_in_the_bin_comes_back_or_is_gone_for_good(store: RunStore, tmp_path: Path) -> None:
    first, second = create(store), create(store)
    save_adapter(first.path / "adapter")
    store.delete(first.id)
    store.delete(second.id)
    assert store.all() == ()
    assert [run.id for run in store.binned()] == [second.id, first.id]
    assert store.restore(first.id).result is not None
    assert [run.id for run in store.all()] == [first.id]
    for id in (first.id, "none", "..", "../runs", ""):
        with pytest.raises(RunError, match="in the Trash"):
            store.restore(id)
    (tmp_path / "bin" / "half-deleted").mkdir()
    assert [run.id for run in store.binned()] == [second.id, "half-deleted"]
    assert store.empty_bin() == 2
    assert list((tmp_path / "bin").iterdir()) == []
    assert store.empty_bin() == 0


def test_emptying_the_bin_of_the_runs_leaves_what_else_is_in_it(store: RunStore, tmp_path: Path) -> None:
    """Deleted conversations and prompt sheets went with the runs, and nobody was asked about them."""
    run = create(store)
    store.delete(run.id)
    for name in (conversations.FOLDER, sheets.FOLDER):
        (tmp_path / "bin" / name).mkdir()
        (tmp_path / "bin" / name / "one.json").write_text("{}", encoding="utf-8")
        with pytest.raises(RunError, match="in the Trash"):
            store.restore(name)
    assert [each.id for each in store.binned()] == [run.id]
    assert store.empty_bin() == 1
    assert {path.parent.name for path in (tmp_path / "bin").glob("*/one.json")} == {"conversations", "sheets"}


def test_runs_of_one_name_stay_apart_in_the_bin_and_on_their_way_back(tmp_path: Path) -> None:
    store = RunStore(tmp_path, lambda: 1_790_000_000.0)
    ids = []
    for _ in range(2):
        ids.append(create(store).id)
        store.delete(ids[-1])
    assert ids[0] == ids[1]
    assert len(store.binned()) == 2
    again = create(store)
    assert store.restore(ids[0]).id != again.id
    assert len(store.all()) == 2


def test_a_wish_is_kept_or_discarded_and_a_restored_run_is_not_thrown_away_again(store: RunStore) -> None:
    run = create(store)
    assert run.stop_wanted == ""
    run.stop_request.write_text("", encoding="utf-8")
    assert run.stop_wanted == KEEP
    run.stop_request.write_text(DISCARD, encoding="utf-8")
    assert run.stop_wanted == DISCARD
    store.delete(run.id)
    assert store.restore(run.id).stop_wanted == KEEP
