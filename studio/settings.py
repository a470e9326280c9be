"""Where the studio keeps its things and how it is served, read from the environment once at the start."""

import ipaddress
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from studio.errors import RunError
from studio.homes import shared_home
from studio.limits import Changes, Limits, limits_of, read_changes

DEFAULT_PORT = 7860

SHORTEST_PASSWORD = 8
"""How many characters a password has at least."""

_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")

_HEADER = re.compile(r"[a-z][a-z0-9-]{0,60}")

_UNGUARDED = {
    "laptop": "Others in your network could reach the studio at {host}, and it has no password.",
    "container": "The studio in this container listens at {host} for everybody, and it has no password.",
    "space": "Whoever knows the address of this Space could use the studio in it, and it has no password.",
}
_GUARD = {
    "laptop": "Set STUDIO_PASSWORD to a password, or start with --open to let everybody in.",
    "container": "Start it with -e STUDIO_PASSWORD=..., or with -e STUDIO_OPEN=1 to let everybody in.",
    "space": "Add a secret named STUDIO_PASSWORD in the settings of the Space, or a variable STUDIO_OPEN=1 to let "
    "everybody in.",
}


@dataclass(frozen=True)
class Space:
    """The Space on Hugging Face that the studio runs in, as its environment names it; what is not told is empty.

    `id` is owner/name; `memory_gib` is 0 where it is not told.
    """

    id: str
    cores: int = 0
    memory_gib: float = 0.0
    accelerator: str = ""
    is_zero_gpu: bool = False
    """Whether a GPU is lent to it for single calls alone."""

    @property
    def sleeps(self) -> bool:
        """Whether it runs on the smallest machine without a GPU: that sleeps after 48 hours without a visitor."""
        return not self.accelerator and self.cores == 2


@dataclass(frozen=True)
class HubApp:
    """As what a Space asks the Hub who a visitor is: its name and secret there, and the address of the Hub.

    `host` is the Space's own address, to which the Hub sends visitors back; `author` is who the Space belongs to.
    Whoever comes for the first time is a member where it `takes_members`, else a guest.
    """

    id: str
    secret: str = field(repr=False)
    provider: str
    host: str
    author: str
    takes_members: bool = False
    scopes: str = "openid profile"
    """What the studio asks to be told: who somebody is, and nothing more."""

    @property
    def address(self) -> str:
        """The Space's own address. On a provider without TLS, as in tests, it has none either."""
        return f"{urlsplit(self.provider).scheme}://{self.host}"


@dataclass(frozen=True)
class Settings:
    """How this installation runs.

    `home` holds all that a person makes, and the starter model. `where` is "laptop", "container" or "space".
    """

    home: Path
    where: str = "laptop"
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    evaluate: bool = False
    """Whether every run is evaluated at its end without being asked."""
    password: str = field(default="", repr=False)
    """What a visitor has to give before anything is shown; empty where nothing is asked."""
    open: bool = False
    """Whether whoever runs the studio wants it open to everybody who can reach it, without a password."""
    hosts: tuple[str, ...] = ()
    """The names, beside its own address, under which the studio may be visited."""
    root_path: str = ""
    """The path, or the whole address, that a proxy serves the studio under."""
    share_token: bool = False
    """Whether visitors of a public address may use the access token of whoever runs the studio."""
    own_tasks: bool = False
    """Whether visitors of a public address may run the tasks in `<home>/tasks`, which can hold code."""
    api: bool = False
    """Whether other programs are answered on a public address, by whoever has the key."""
    space: Space | None = None
    """Which Space this is, where it is one."""
    mirror: str = ""
    """The bucket on the Hub, owner/name, in which the data folder is kept as well; empty where it is not."""
    mirror_seconds: float = 30.0
    """How long after a look for changes the next one is."""
    limit_changes: Changes = ()
    """The bounds that were set, instead of those that the address suggests."""
    accounts: bool | None = None
    """Whether people sign in, each to what is theirs; None where that was not said: then where accounts were made."""
    proxy_header: str = ""
    """The header in which a trusted proxy says the name of the account that asks; empty where none does."""
    proxy_addresses: tuple[str, ...] = ()
    """The addresses that such a proxy sends from."""
    hub_app: HubApp | None = None
    """As what the Hub is asked who a visitor is; None where nobody signs in with it."""
    guests: bool = False
    """Whether visitors without an account may look around, as a guest of their own."""
    account: str = ""
    """The id of the account whose studio this is; empty where there are none."""

    @property
    def limits(self) -> Limits:
        """How much of everything is taken: a lot on a laptop, little on an address that others can reach."""
        return limits_of(
            public=self.is_public, together=self.where == "space" and not self.has_accounts, changes=self.limit_changes
        )

    @property
    def is_public(self) -> bool:
        """Whether others than the person at this machine can reach the studio: it listens on more than loopback."""
        return not is_loopback(self.host) or self.has_accounts

    @property
    def has_accounts(self) -> bool:
        """Whether people sign in."""
        return bool(self.accounts)

    @property
    def uploads(self) -> Path:
        """Where files that were uploaded lie until they are kept or cleaned away."""
        return shared_home(self.home) / "uploads" / self.account

    @property
    def allows_token(self) -> bool:
        """Whether the Hub may be asked with the access token of whoever runs the studio."""
        return self.share_token or not self.is_public

    @property
    def allows_api(self) -> bool:
        """Whether other programs are answered at all."""
        return self.api or not self.is_public

    @property
    def allows_own_tasks(self) -> bool:
        """Whether tasks in `<home>/tasks` may be run from the page."""
        return self.own_tasks or not self.is_public


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine alone."""
    if host.strip("[]").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_settings(environment: Mapping[str, str], *, data_mount: Path = Path("/data")) -> Settings:
    """Derive the settings from environment variables.

    `STUDIO_HOME` names the data folder; without it a writable `/data` is used (the volume of a container), else
    `~/.lora-studio`. `STUDIO_HOST` and `STUDIO_PORT` name the address; a Space listens on all interfaces.
    With `STUDIO_EVALUATE=0`, a run is evaluated only when that is asked for. `STUDIO_PASSWORD` is what a visitor has to
    give, `STUDIO_OPEN=1` lets everybody in without one, and `STUDIO_HOSTS` lists the names that the studio is visited
    under. `SPACE_HOST` is the name of a Space, and `GRADIO_ROOT_PATH` the path that a proxy puts before the page.
    `STUDIO_SHARE_TOKEN=1` and `STUDIO_OWN_TASKS=1` allow visitors of a public address what is otherwise kept from them,
    and with `STUDIO_API=1` other programs that have the key are answered there.
    `STUDIO_MIRROR` names the bucket in which the data folder is kept as well, and `STUDIO_MIRROR_SECONDS` how often.
    `STUDIO_LIMIT_...` set the bounds. `STUDIO_ACCOUNTS=1` has people sign in, and `STUDIO_ACCOUNTS=0` does not where
    accounts were made. A Space that has a sign-in with the Hub (`hf_oauth`) has accounts unless it is told otherwise,
    or has a password or is open; who signs in there is a guest at first unless `STUDIO_ACCOUNTS=1`.
    With `STUDIO_GUESTS=1` visitors may look around without an account.
    `STUDIO_PROXY_HEADER` names the header in which the proxy at one of the addresses in
    `STUDIO_PROXY_FROM` says who asks.

    Raises RunError when `STUDIO_PORT` is not a port number or `STUDIO_HOSTS` no list of names, and ConfigError for a
    bound that cannot be one.
    """
    where = (
        "space" if environment.get("SPACE_ID") else "container" if environment.get("STUDIO_IN_CONTAINER") else "laptop"
    )
    host = environment.get("STUDIO_HOST") or ("127.0.0.1" if where == "laptop" else "0.0.0.0")
    password, is_open = environment.get("STUDIO_PASSWORD", ""), environment.get("STUDIO_OPEN", "") not in ("", "0")
    hub_app = _hub_app(environment) if where == "space" else None
    accounts = None if "STUDIO_ACCOUNTS" not in environment else environment["STUDIO_ACCOUNTS"] not in ("", "0")
    if accounts is None and hub_app is not None and not password and not is_open:
        accounts = True
    return Settings(
        home=_home(environment, data_mount),
        where=where,
        host=host,
        port=_port(environment.get("STUDIO_PORT", str(DEFAULT_PORT))),
        evaluate=environment.get("STUDIO_EVALUATE", "1") != "0",
        password=password,
        open=is_open,
        hosts=_hosts(environment),
        root_path=environment.get("GRADIO_ROOT_PATH", ""),
        share_token=environment.get("STUDIO_SHARE_TOKEN") == "1",
        own_tasks=environment.get("STUDIO_OWN_TASKS") == "1",
        api=environment.get("STUDIO_API", "") not in ("", "0"),
        space=_space(environment),
        mirror=environment.get("STUDIO_MIRROR", "").strip(),
        mirror_seconds=_seconds(environment.get("STUDIO_MIRROR_SECONDS", "30")),
        limit_changes=read_changes(environment),
        proxy_header=environment.get("STUDIO_PROXY_HEADER", "").strip().lower(),
        proxy_addresses=tuple(
            each.strip() for each in environment.get("STUDIO_PROXY_FROM", "").split(",") if each.strip()
        ),
        accounts=accounts,
        hub_app=hub_app if accounts else None,
        guests=environment.get("STUDIO_GUESTS", "") not in ("", "0"),
    )


def _home(environment: Mapping[str, str], data_mount: Path) -> Path:
    if environment.get("STUDIO_HOME"):
        return home_folder(environment["STUDIO_HOME"])
    if data_mount.is_dir() and os.access(data_mount, os.W_OK):
        return data_mount / "lora-studio"
    return Path.home() / ".lora-studio"


def ensure_guarded(settings: Settings) -> None:
    """Refuse a studio that strangers can reach without a password and without a word that this is wanted.

    Raises RunError; for a password that is too short, too.
    """
    if settings.password and len(settings.password) < SHORTEST_PASSWORD:
        raise RunError(
            f"The password in STUDIO_PASSWORD has {len(settings.password)} characters, which is easy to guess.",
            f"Give one of at least {SHORTEST_PASSWORD} characters.",
        )
    if settings.has_accounts:
        if settings.password or settings.open:
            raise RunError(
                "This studio has accounts, so a password for everybody or --open says the opposite.",
                "Leave STUDIO_PASSWORD and STUDIO_OPEN out, or set STUDIO_ACCOUNTS=0 to do without accounts.",
            )
        _check_proxy(settings)
        return
    if settings.guests:
        raise RunError(
            "STUDIO_GUESTS=1 lets visitors look around beside those who have an account, and this studio has none.",
            "Set STUDIO_ACCOUNTS=1, or leave STUDIO_GUESTS out.",
        )
    if settings.is_public and not settings.password and not settings.open:
        raise RunError(_UNGUARDED[settings.where].format(host=settings.host), _GUARD[settings.where])


def _check_proxy(settings: Settings) -> None:
    """Raise RunError where it is not clear which proxy may say who asks: anybody else can write that header."""
    if not settings.proxy_header:
        return
    if not _HEADER.fullmatch(settings.proxy_header):
        raise RunError(
            f"'{settings.proxy_header[:80]}' in STUDIO_PROXY_HEADER is not the name of a header.",
            "Give one such as X-Forwarded-User.",
        )
    for address in settings.proxy_addresses or ("",):
        try:
            ipaddress.ip_address(address)
        except ValueError as error:
            raise RunError(
                f"STUDIO_PROXY_HEADER lets a proxy say who asks, and '{address[:80]}' is not the address of one.",
                "Set STUDIO_PROXY_FROM to the addresses that it sends from, separated by commas, such as 127.0.0.1.",
            ) from error


def _hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    names = [name.strip().lower().rstrip(".") for name in environment.get("STUDIO_HOSTS", "").split(",")]
    for name in filter(None, names):
        if not _HOST_NAME.fullmatch(name):
            raise RunError(
                f"'{name[:80]}' in STUDIO_HOSTS is not the name of a host.",
                "Give names only, separated by commas, such as studio.example.org: no https:// and no port.",
            )
    spaces = _space_hosts(environment)
    proxy = urlsplit(environment.get("GRADIO_ROOT_PATH", "")).hostname or ""
    return tuple(dict.fromkeys(filter(None, [*names, *spaces, proxy])))


def _space_hosts(environment: Mapping[str, str]) -> list[str]:
    """List the names of a Space: its own, and behind it that of a domain of its own where it has one."""
    return [name.strip().lower() for name in environment.get("SPACE_HOST", "").split(",") if name.strip()]


def _hub_app(environment: Mapping[str, str]) -> HubApp | None:
    """Read as what the Hub is asked who a visitor is. Raises RunError for what cannot be one."""
    id, secret = environment.get("OAUTH_CLIENT_ID", ""), environment.get("OAUTH_CLIENT_SECRET", "")
    hosts = _space_hosts(environment)
    if not id or not secret or not hosts:
        return None
    provider = environment.get("OPENID_PROVIDER_URL", "https://huggingface.co").rstrip("/")
    parts = urlsplit(provider)
    if parts.hostname is None or not (parts.scheme == "https" or is_loopback(parts.hostname)):
        raise RunError(
            f"'{provider[:80]}' in OPENID_PROVIDER_URL is not an address with https://.", "Leave it as the Hub sets it."
        )
    author = environment.get("STUDIO_OWNER", "").strip() or environment.get("SPACE_AUTHOR_NAME", "").strip()
    # A copy of a public Space has none of its variables: strangers must not train there because nobody was asked.
    takes_members = environment.get("STUDIO_ACCOUNTS", "") not in ("", "0")
    return HubApp(id, secret, provider, hosts[0], author, takes_members)


def _space(environment: Mapping[str, str]) -> Space | None:
    """Read what Hugging Face tells a Space of itself."""
    if not environment.get("SPACE_ID"):
        return None
    cores, memory = environment.get("CPU_CORES", ""), environment.get("MEMORY", "")
    told = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(Gi|G|GB)", memory)
    accelerator = environment.get("ACCELERATOR", "")
    return Space(
        environment["SPACE_ID"][:200],
        cores=int(cores) if cores.isascii() and cores.isdecimal() and len(cores) <= 4 else 0,
        memory_gib=float(told[1]) if told else 0.0,
        accelerator="" if accelerator.lower() in ("none", "cpu") else accelerator[:40],
        is_zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true"),
    )


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,5}(\.\d{1,3})?", text) or float(text) < 1:
        raise RunError(
            f"'{text[:20]}' in STUDIO_MIRROR_SECONDS is not a number of seconds.",
            "Give a number from 1 on, such as 30.",
        )
    return float(text)


def home_folder(text: str) -> Path:
    """Turn what a person gave as the data folder into a path. Raises RunError for the home of an unknown person."""
    try:
        return Path(text).expanduser().absolute()
    except (RuntimeError, ValueError) as error:
        raise RunError(f"'{text[:80]}' cannot be the data folder: {error}", "Give the path of a folder.") from error


def ensure_writable(home: Path) -> None:
    """Create the data folder and write a file to it for a moment. Raises RunError when it cannot be written."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home, prefix=".write-check-") as probe:
            probe.write(b"lora studio")
            probe.flush()
    except OSError as error:
        raise RunError(
            f"The data folder {home} cannot be written: {error.strerror or error}.",
            "Free some space or correct its permissions, or set STUDIO_HOME to another folder.",
        ) from error


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 65_535:
        raise RunError(f"'{text[:20]}' is not a port number.", "Enter a whole number from 1 to 65535.")
    return int(text)
