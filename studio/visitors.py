"""Who is being answered now: the address that a visitor comes from, for bounds that each visitor has.

A session's name is chosen by the browser, so it would raise a bound for whoever invents another one; an address does
not. What the studio does by itself, and the command line, is done for nobody.
"""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NOBODY = ""
"""The studio itself: bounds of one visitor do not hold for it."""

_VISITOR: ContextVar[str] = ContextVar("visitor", default=NOBODY)


def visitor() -> str:
    """Return who is being answered, `NOBODY` where the studio acts by itself."""
    return _VISITOR.get()


@contextmanager
def visiting(who: str) -> Iterator[None]:
    """Answer a visitor for the length of a `with` block."""
    token = _VISITOR.set(who)
    try:
        yield
    finally:
        _VISITOR.reset(token)


def visitor_at(host: str | None) -> str:
    """Name the visitor who comes from an address. One household has 2**64 addresses of IPv6, which count as one."""
    try:
        address = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return host or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
