import pytest

from studio.runs.diagnosis import Witness, diagnose, diagnose_lost

TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    import x\n'


@pytest.mark.parametrize(
    ("log", "exit_code", "cause", "words"),
    [
        ("", None, "unknown", "not known"),
        ("Loading weights: 100%", None, "unknown", "not known"),
        ("", 1, "unknown", "not known"),
        (TRACE + "torch.OutOfMemoryError: CUDA out of memory. Tried", 1, "out_of_memory", "graphics card"),
        (TRACE + "MemoryError", 1, "out_of_memory", "The computer ran out"),
        (
            "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you",
            1,
            "out_of_memory",
            "computer",
        ),
        (TRACE + "OSError: [Errno 28] No space left on device: 'x'", 1, "disk_full", "disk is full"),
        (TRACE + "OSError: [Errno 30] Read-only file system: 'x'", 1, "read_only", "cannot be written"),
        (TRACE + "RuntimeError: CUDA error: an illegal memory access was encountered", 1, "gpu_fault", "driver"),
        ("Fatal Python error: Segmentation fault\n\nThread 0x1", -11, "crash", "crashed"),
        ("step 3", -11, "crash", "crashed"),
        ("step 3", -6, "crash", "crashed"),
        ("step 3", -9, "killed", "by force"),
        ("step 3\nKilled\n", None, "killed", "by force"),
        (TRACE + "ModuleNotFoundError: No module named 'x'\n", 1, "bug", "No module named 'x'"),
    ],
)
def test_only_what_the_evidence_shows(log: str, exit_code: int | None, cause: str, words: str) -> None:
    found = diagnose_lost(log, exit_code=exit_code)
    assert found.cause == cause
    assert words in found.message
    assert found.hint
    assert "Traceback" not in found.message


def test_the_last_evidence_decides() -> None:
    log = TRACE + "MemoryError\nagain\n" + TRACE + "OSError: [Errno 28] No space left on device"
    assert diagnose_lost(log).cause == "disk_full"


def test_a_trace_that_the_worker_went_on_from_is_no_cause() -> None:
    log = TRACE + "ValueError: a warning of some library\n" + "step\n" * 10
    assert diagnose_lost(log).cause == "unknown"


@pytest.mark.parametrize(
    ("log", "witness", "cause", "words"),
    [
        ("", Witness(), "unknown", "not known"),
        ("", Witness(exit_code=-9), "killed", "by force"),
        ("", Witness(exit_code=-9, memory_kills=1), "out_of_memory", "The system ended it because the memory"),
        ("", Witness(memory_kills=2), "killed", "perhaps this one"),
        ("step 3\nKilled", Witness(memory_kills=2), "killed", "perhaps this one"),
        ("", Witness(exit_code=1, memory_kills=2), "killed", "perhaps this one"),
        ("", Witness(exit_code=-11, memory_kills=2), "crash", "crashed"),
        ("", Witness(restarted=True), "restarted", "restarted while it was at work"),
        ("", Witness(restarted=True, disk_full=True), "restarted", "restarted"),
        ("", Witness(disk_full=True), "disk_full", "perhaps that is why"),
        ("", Witness(exit_code=-9, disk_full=True), "killed", "by force"),
        (TRACE + "MemoryError", Witness(restarted=True, memory_kills=1, disk_full=True), "out_of_memory", "computer"),
        ("OSError: [Errno 28] No space left on device", Witness(memory_kills=1), "disk_full", "The disk is full."),
        ("socket.gaierror: Temporary failure in name resolution", Witness(), "no_network", "network"),
    ],
)
def test_what_else_is_known_is_weighed_and_a_guess_is_called_one(
    log: str, witness: Witness, cause: str, words: str
) -> None:
    found = diagnose(log, witness)
    assert found.cause == cause
    assert words in found.message
    assert found.hint


def test_a_template_or_tokenizer_that_took_too_long_is_named() -> None:
    log = 'Timeout (0:01:30.250000)!\nThread 0x00007fea7544eb80 (most recent call first):\n  File "%s", line 1 in y\n'
    found = diagnose_lost(log % "/x/studio/data/tokenizing/rendering.py", exit_code=1)
    assert found.cause == "bad_input"
    assert "chat template or tokenizer took longer than 90 seconds" in found.message
    assert diagnose_lost(log % "/x/studio/ml/loading.py", exit_code=1).cause == "too_slow"
