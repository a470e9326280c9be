"""Which addresses of Gradio the page and its Python client need. All others are closed.

Gradio also answers as a proxy for foreign addresses, offers a code editor, monitoring, shared states and the components
of other apps. The studio uses none of it.
"""

import re

FILE = "/gradio_api/file="
"""Where Gradio serves files from: those that a visitor has uploaded, and those that were offered."""

PAGE = "/"
LOGIN = "/login"

_BEFORE_LOGIN = re.compile(
    r"/|/login/?|/theme\.css|/gradio_api/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(?:assets|static)/.+"
)
_PAGE = re.compile(
    r"/(?:config/?|logout|gradio_api/(?:"
    r"info/?|queue/(?:join|data)|upload|upload_progress|heartbeat/[\w-]+|(?:run|api|call)/[\w-]+/?"
    r"|call/[\w-]+/[\w-]+/?|cancel|reset/?|app_id/?|login_check/?|file=/.+))"
)


def is_needed(path: str) -> bool:
    """Tell whether the page or a program needs an address of Gradio."""
    return is_open_before_login(path) or _PAGE.fullmatch(path) is not None


def is_open_before_login(path: str) -> bool:
    """Tell whether an address is answered before the password was given: the login page and what it is drawn with."""
    return _BEFORE_LOGIN.fullmatch(path) is not None


def inside(path: str, prefix: str) -> str:
    """Take the prefix of a proxy off a path, where the proxy left it on."""
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path
