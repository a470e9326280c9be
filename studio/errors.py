"""The one error tree of the studio.

    StudioError
    +-- DataError      a file or a data set cannot be used as it is
    +-- ConfigError    a setting is out of range, or settings contradict each other
    +-- ModelError     a base model cannot be found, read or loaded
    +-- RunError       a run cannot be created, started, read or stopped
    |   +-- TooMany    there is no room for it now: a bound of the studio is met
    |   +-- NoAnswer   a place where runs train does not answer now, and may do so later
    |   +-- StorageFull the files of a place have no room left
    |   +-- OthersLost the other processes of the same run are gone or cannot be reached, so this one cannot go on
    |       +-- NotConnected   they never were
    +-- ExportError    a result cannot be written, or failed its check
    +-- MirrorError    the data folder cannot be mirrored, or brought back
    +-- OutOfMemory    a run needs more memory than there is

Each carries two sentences for the reader: what is wrong (with what was found), and what to do. Anything that is not a
StudioError is a bug: it goes to the log with its trace, never to the page.
"""

import re

GPU_OUT_OF_MEMORY = (
    r"(CUDA|HIP|MPS backend) out of memory|(CUDA|HIP)( driver)? error: out of memory|OutOfMemoryError"
    r"|hipErrorOutOfMemory|(CUBLAS|CUDNN|CUSOLVER|HIPBLAS)_STATUS_ALLOC_FAILED|^Error out of memory at line"
)
"""What PyTorch, the libraries of CUDA and bitsandbytes say in an error or a log when a GPU has no memory left."""

RAM_OUT_OF_MEMORY = (
    r"^MemoryError\b|can't allocate memory|DefaultCPUAllocator: not enough|Cannot allocate memory|std::bad_alloc"
    r"|^memory allocation of \d+ bytes failed"
)
"""The same of the machine itself."""

DATA_FOLDER_HINT = "Free some space or correct the permissions of the data folder."
"""What to do where the data folder cannot be written."""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error means that a GPU or the machine has no memory left.

    PyTorch has a kind of its own for GPUs, known here by its name, and not all of its parts use it.
    """
    if isinstance(error, StudioError):
        return False
    kind = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return kind or re.search(f"{GPU_OUT_OF_MEMORY}|{RAM_OUT_OF_MEMORY}", str(error), re.MULTILINE) is not None


class StudioError(Exception):
    """Trouble that a person can understand and fix.

    `message` says what is wrong and what was found; `hint` says what to do, and may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class DataError(StudioError):
    """A file or a data set cannot be used as it is."""


class ConfigError(StudioError):
    """A setting is out of range, or two settings contradict each other."""


class ModelError(StudioError):
    """A base model cannot be found, read or loaded."""


class RunError(StudioError):
    """A run cannot be created, started, read or stopped."""


class TooMany(RunError):
    """There is no room for it now: a bound of the studio is met."""


class NoAnswer(RunError):
    """A place where runs train does not answer now, and may do so later."""


class StorageFull(RunError):
    """The disk of a place has no room left."""


class OthersLost(RunError):
    """The other processes of the same run are gone or cannot be reached, so this one cannot go on."""


class NotConnected(OthersLost):
    """The processes of a run could not be connected at all."""


class ExportError(StudioError):
    """A result cannot be written, or failed its check."""


class MirrorError(StudioError):
    """The data folder cannot be mirrored, or brought back."""


class OutOfMemory(StudioError):
    """A run needs more memory than there is."""
