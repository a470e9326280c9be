"""Which addresses the studio answers under, and which requests another web page has sent.

A browser says in every request under which name it reached the studio (Host) and which page asked (Origin,
Sec-Fetch-Site). A page on the internet can let its own name point to this machine, so only known names are answered.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from studio.settings import Settings, is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9](?:[a-z0-9._-]{0,252}))(?::([0-9]{1,5}))?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


SHARED = "/shared/"
"""So begins the address of a run that was shared by a link, where there are accounts."""


TO_HUB, FROM_HUB = "/login/huggingface", "/login/callback"
"""Where a visitor of a Space goes to sign in with the Hub, and where the Hub sends them back to."""


@dataclass(frozen=True)
class Address:
    """A name or an IP address, in lower case and without brackets, and a port where one was given."""

    name: str
    port: int | None = None

    def meets(self, other: "Address", *, scheme: str) -> bool:
        """Tell whether both are one place for a scheme, whose own port need not be written."""
        usual = _DEFAULT_PORTS[scheme]
        return self.name == other.name and (self.port or usual) == (other.port or usual)


@dataclass(frozen=True)
class Hosts:
    """The names under which the studio is visited. `named` are those of its operator, `public` lets any IP in.

    An IP address in Host is no danger where others may visit: an attack that lets a foreign name point to this machine
    needs a name.
    """

    named: frozenset[str]
    public: bool = False

    def knows(self, name: str) -> bool:
        """Tell whether the studio is visited under a name."""
        if is_loopback(name) or name in self.named:
            return True
        return self.public and _is_ip(name)


def hosts_of(settings: Settings, *, machine: str) -> Hosts:
    """List the names of a studio; `machine` is the name of this computer, under which a public one is visited."""
    named = {name.lower() for name in settings.hosts}
    if settings.is_public:
        named |= {settings.host.strip("[]").lower(), machine.lower(), f"{machine.lower()}.local"}
    return Hosts(frozenset(named - {""}), public=settings.is_public)


def read_address(text: str) -> Address | None:
    """Read the value of a Host header; None where it is none."""
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    name, port = found[1].strip("[]").lower().removesuffix("."), found[2]
    if port is not None and not 1 <= int(port) <= 65_535:
        return None
    return Address(name, None if port is None else int(port))


def known_host(values: Sequence[str], hosts: Hosts) -> Address | None:
    """Read the Host headers of one request; None unless there is exactly one, well formed and known."""
    address = read_address(values[0]) if len(values) == 1 else None
    return address if address is not None and hosts.knows(address.name) else None


def forwarded_hosts(values: Sequence[str], hosts: Hosts) -> tuple[Address, ...]:
    """Read what a proxy says the studio was visited under; nothing unless every name in it is known."""
    found = [known_host([part.strip()], hosts) for value in values for part in value.split(",")]
    known = tuple(address for address in found if address is not None)
    return known if len(known) == len(found) else ()


def is_foreign(origin: str, own: Iterable[Address], hosts: Hosts) -> bool:
    """Tell whether an Origin header names another page than one of the studio's own.

    A proxy may write its own address into Host. A name of the operator's is therefore the studio's own too, at the
    port that is usual for its scheme.
    """
    try:
        parts = urlsplit(origin)
        address = read_address(parts.netloc)
    except ValueError:
        return True
    if address is None or parts.scheme not in _DEFAULT_PORTS or f"{parts.scheme}://{parts.netloc}" != origin:
        return True
    places = [*own, *(Address(name) for name in hosts.named)]
    return not any(address.meets(place, scheme=parts.scheme) for place in places)


def is_page_load(method: str, path: str, fetch: Mapping[str, str], *, framed: bool) -> bool:
    """Tell whether a person opens the page itself or something that was shared, or comes back from the Hub: what may
    come from anywhere.

    `fetch` holds the values of the Sec-Fetch headers by their last word; `framed` where another site shows the page.
    """
    shown_in = {"document", "iframe"} if framed else {"document"}
    is_page = path in ("/", TO_HUB, FROM_HUB) or path.startswith(SHARED)
    return method == "GET" and is_page and fetch.get("mode") == "navigate" and fetch.get("dest") in shown_in


def is_sent_by_another_page(
    origins: Sequence[str], fetch: Mapping[str, str], own: Iterable[Address], hosts: Hosts
) -> bool:
    """Tell whether the browser says that another page has sent a request. Programs say nothing of the kind."""
    if len(origins) > 1 or any(is_foreign(origin, own, hosts) for origin in origins):
        return True
    return fetch.get("site", "none") not in ("none", "same-origin")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
