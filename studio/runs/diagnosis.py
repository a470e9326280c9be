"""Why a worker ended without saying so, told from the end of its log and, where known, its exit code.

Names a cause only when the evidence is there; otherwise the cause is "unknown" and the sentence says so.
"""

import re
import signal
from dataclasses import dataclass, replace

from studio.errors import GPU_OUT_OF_MEMORY, RAM_OUT_OF_MEMORY


@dataclass(frozen=True)
class Diagnosis:
    """A cause by its short name, with the sentence for the person and what to do about it.

    `witnessed` says whether whoever had started the worker was there to see it end.
    """

    cause: str
    message: str
    hint: str
    witnessed: bool = False


_GPU_MEMORY = Diagnosis(
    "out_of_memory",
    "The graphics card ran out of memory.",
    "Close what else uses it, or choose a shorter longest example, a 4-bit base or a smaller model.",
)
_MEMORY = Diagnosis(
    "out_of_memory",
    "The computer ran out of memory.",
    "Close other programs, or choose a shorter longest example, a 4-bit base or a smaller model.",
)
_DISK_FULL = Diagnosis("disk_full", "The disk is full.", "Free some space in the data folder, then start again.")
_READ_ONLY = Diagnosis(
    "read_only", "The data folder cannot be written.", "Correct its permissions, or set STUDIO_HOME to another folder."
)
_GPU_FAULT = Diagnosis(
    "gpu_fault",
    "The graphics card or its driver reported a fault.",
    "Start the run again; if it happens again, restart the computer or update the driver.",
)
_CRASH = Diagnosis(
    "crash",
    "A library that the worker uses crashed.",
    "Start the run again; if it happens again, the log below is what its makers need.",
)
_KILLED = Diagnosis(
    "killed",
    "The worker was ended by force, by the system or by a person.",
    "When nobody did it, memory may have run out: try a shorter longest example or a smaller model.",
)
_ENDED_BY_SYSTEM = Diagnosis(
    "out_of_memory",
    "The system ended it because the memory of the computer ran out.",
    "Close other programs, or choose a shorter longest example, a 4-bit base or a smaller model.",
)
_PERHAPS_BY_SYSTEM = Diagnosis(
    "killed",
    "It ended without a word, and the system has ended programs for want of memory since it started: perhaps this one.",
    "Close other programs, or choose a shorter longest example, a 4-bit base or a smaller model.",
)
_PERHAPS_DISK_FULL = Diagnosis(
    "disk_full",
    "It ended without a word, and the disk is full: perhaps that is why.",
    "Free some space in the data folder, then resume it.",
)
_RESTARTED = Diagnosis(
    "restarted", "The computer was restarted while it was at work.", "Resume it; nothing up to the last save is lost."
)
_NO_NETWORK = Diagnosis(
    "no_network",
    "The network could not be reached.",
    "Check the connection, then resume it; what was fetched is kept.",
)
_SLOW_TEMPLATE = Diagnosis(
    "bad_input",
    "The model's chat template or tokenizer took longer than {seconds} seconds with a few examples, so it was ended.",
    "Choose another base model, or shorten examples that are very long.",
)
_UNKNOWN = Diagnosis(
    "unknown",
    "Why is not known: the log does not say.",
    "The computer may have been switched off or out of memory. Start the run again, and watch its memory.",
)

_TOO_MUCH = Diagnosis(
    "out_of_memory",
    "It took nearly all the memory of the computer, so the studio ended it.",
    "Close other programs, or choose a smaller model.",
)
_SLOW_LOAD = Diagnosis(
    "too_slow",
    "Loading took longer than any model of this size should, so the studio ended it.",
    "The files of the model or the adapter may be damaged. Try again, or choose another one.",
)

_EVIDENCE: tuple[tuple[str, Diagnosis], ...] = (
    (GPU_OUT_OF_MEMORY, _GPU_MEMORY),
    (RAM_OUT_OF_MEMORY, _MEMORY),
    (r"No space left on device|Disk quota exceeded", _DISK_FULL),
    (r"Read-only file system", _READ_ONLY),
    (r"Temporary failure in name resolution|Network is unreachable|Name or service not known", _NO_NETWORK),
    (r"^Fatal Python error: (?!Aborted)|^Segmentation fault|^Illegal instruction", _CRASH),
    (r"CUDA error: (?!out of memory|CUBLAS_STATUS_ALLOC_FAILED)", _GPU_FAULT),
    (r"^Killed$", _KILLED),
    (r"^The studio ended this worker because of its memory", _TOO_MUCH),
    # Of faulthandler, which ends a worker past its deadline and writes where it was.
    (r"^Timeout \((?P<seconds>[\d:.]+)\)!$(?=[\s\S]*studio/data/tokenizing/)", _SLOW_TEMPLATE),
    (r"^Timeout \((?P<seconds>[\d:.]+)\)!$", _SLOW_LOAD),
)
_TRACE_AT_THE_END = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?P<error>\S.*)(?:\n.*){0,3}\Z", re.MULTILINE
)
_CRASH_SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


@dataclass(frozen=True)
class Witness:
    """What is known of a lost worker beside its log.

    `exit_code` is as `subprocess` reports it, minus the number of the signal that ended the worker; None when nobody
    knows it. `restarted` says whether the computer was since. `memory_kills` counts the programs that the system ended
    for want of memory since the worker started. `disk_full` says whether the data folder has no room now.
    """

    exit_code: int | None = None
    restarted: bool = False
    memory_kills: int = 0
    disk_full: bool = False


def diagnose(log_tail: str, witness: Witness) -> Diagnosis:
    """Say why a worker was lost, with no more certainty than the evidence has.

    A worker that was killed while the system was ending programs for want of memory was ended by it; where its exit
    code is not known, only perhaps.
    """
    found = diagnose_lost(log_tail, exit_code=witness.exit_code)
    if witness.memory_kills > 0 and found in (_KILLED, _UNKNOWN):
        killed = witness.exit_code == -signal.SIGKILL
        return _ENDED_BY_SYSTEM if killed else _PERHAPS_BY_SYSTEM
    if found == _UNKNOWN and witness.restarted:
        return _RESTARTED
    return _PERHAPS_DISK_FULL if found == _UNKNOWN and witness.disk_full else found


def diagnose_lost(log_tail: str, *, exit_code: int | None = None) -> Diagnosis:
    """Say why a worker was lost, from its log and exit code alone.

    The piece of evidence nearest to the end of the log decides, then an error that the log ends with, then `exit_code`:
    as `subprocess` reports it, minus the number of the signal that ended the worker, or None when nobody knows it.
    """
    nearest, place = None, -1
    for pattern, diagnosis in _EVIDENCE:
        for match in re.finditer(pattern, log_tail, re.MULTILINE):
            if match.start() > place:
                nearest, place = _filled(diagnosis, match), match.start()
    if nearest is not None:
        return nearest
    trace = _TRACE_AT_THE_END.search(log_tail.rstrip())
    if trace:
        return Diagnosis(
            "bug",
            f"The worker met an error that it did not expect: {trace['error'].strip()}.",
            "Start the run again; if it happens again, please report it together with the log.",
        )
    if exit_code in (-signal.SIGKILL, -signal.SIGTERM):
        return _KILLED
    return _CRASH if exit_code in [-number for number in _CRASH_SIGNALS] else _UNKNOWN


def _filled(diagnosis: Diagnosis, match: re.Match[str]) -> Diagnosis:
    """Put the seconds into the sentence where the log names them, as h:mm:ss."""
    if "seconds" not in match.re.groupindex:
        return diagnosis
    seconds = 0.0
    for part in match["seconds"].split(":"):
        seconds = seconds * 60 + float(part)
    return replace(diagnosis, message=diagnosis.message.format(seconds=round(seconds)))
