"""The headers that tell a browser what the page may do, on every answer of the studio."""

from collections.abc import Iterable

Header = tuple[bytes, bytes]

_POLICY = {
    "default-src": "'self'",
    # Gradio writes its settings into the page as a script, and makes functions of a component's own script.
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    # What is written into the page as text can bring no script with it: not as an attribute of an element.
    "script-src-attr": "'none'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' data: blob:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "frame-src": "'none'",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
"""The policy of what is no page: a file, or a sentence that says why a request is refused."""


def page_policy(*, framed_by: str = "") -> str:
    """Return the content security policy of the page; `framed_by` is the site that may show it in a frame."""
    ancestors = {"frame-ancestors": framed_by or "'none'"}
    return "; ".join(f"{name} {value}" for name, value in {**_POLICY, **ancestors}.items())


def guarded(headers: Iterable[Header], *, policy: str, framed: bool, attached: bool) -> list[Header]:
    """Return the headers of an answer with those that guard it; a policy that is set already stays.

    Another site is never let in: what Gradio says of other origins is taken out. `attached` makes the browser save
    what is sent, and not show it.
    """
    kept = [(name.lower(), value) for name, value in headers]
    kept = [(name, value) for name, value in kept if not name.startswith(b"access-control-") and name not in _OURS]
    names = {name for name, _ in kept}
    if attached:
        kept = [(name, value) for name, value in kept if name != b"content-security-policy"]
        kept = [(name, _as_attachment(value) if name == b"content-disposition" else value) for name, value in kept]
        if b"content-disposition" not in names:
            kept.append((b"content-disposition", b"attachment"))
        names.discard(b"content-security-policy")
        policy = NOTHING
    added = [(name, value) for name, value in _ALWAYS if name not in names]
    if b"content-security-policy" not in names:
        added.append((b"content-security-policy", policy.encode("ascii")))
    if not framed:
        added.append((b"x-frame-options", b"DENY"))
    return kept + added


_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    # Not "no-referrer": with that a form of the studio's own would come from nowhere, and be refused.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_OURS = frozenset({b"x-frame-options", b"x-content-type-options"})


def _as_attachment(value: bytes) -> bytes:
    return b"attachment" + value[len(b"inline") :] if value.lower().startswith(b"inline") else value
