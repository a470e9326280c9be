"""Faults at the very moment at which a process changes a file, by Python's audit events: no code of ours is replaced.

A fault is written `what@where@number`: `kill` ends the process by force before it makes its `number`-th change of a
file whose path holds `where`; `full` has that change and all later ones that need room fail as a full disk would;
`deny` as a folder that cannot be written.
"""

import errno
import os
import signal
import sys
from typing import Any

VARIABLE = "STUDIO_TEST_FAULT"

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree", "subprocess.Popen")
_NEED_ROOM = ("open", "os.mkdir")
_ERRORS = {
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "deny": PermissionError(errno.EACCES, "Permission denied"),
}


def install(fault: str) -> None:
    """Have this process meet a fault; nothing for an empty one."""
    if not fault:
        return
    what, where, number = fault.split("@")
    left = int(number)

    def meet(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        path = _changed(event, arguments)
        if where not in path or not path or (what != "kill" and event not in _NEED_ROOM):
            return
        left -= 1
        if left == 0 and what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if left <= 0:
            raise _ERRORS[what]

    sys.addaudithook(meet)


def _changed(event: str, arguments: tuple[Any, ...]) -> str:
    """Return what an audit event changes, as text; empty when it changes no file."""
    if event == "open":
        path, mode, flags = arguments
        writes = any(sign in mode for sign in "wax+") if isinstance(mode, str) else flags & (os.O_WRONLY | os.O_RDWR)
        return _text(path) if writes else ""
    if event == "subprocess.Popen":
        return " ".join(map(_text, arguments[1]))
    if event == "os.rename":
        return f"{_text(arguments[0])} {_text(arguments[1])}"
    return _text(arguments[0]) if event in _CHANGES else ""


def _text(path: object) -> str:
    return "" if isinstance(path, int) or path is None else os.fsdecode(path)  # type: ignore[arg-type]  # by the event
