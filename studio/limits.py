"""How much of everything is taken, on a laptop and on an address that strangers can reach.

Every bound is a field of `Limits`; `STUDIO_LIMIT_` and its name in capitals is the variable that changes it. A bound of
one visitor ends in `_each`. On a laptop there is one visitor, so that bound is the whole.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from studio.errors import ConfigError, TooMany

VARIABLE = "STUDIO_LIMIT_"

LONGEST_ANSWER_NOUN = "tokens for the longest answer"
"""What `answer_tokens` bounds, in the sentence of `require_within`."""

MOST_NAME = 80
"""So many letters are kept of a name that a person gives."""

Changes = tuple[tuple[str, float], ...]
"""Names of bounds and what was set for them instead."""


@dataclass(frozen=True)
class Limits:
    """The bounds of one studio. The defaults are those of a laptop."""

    workers_at_once: int = 8
    """Worker processes beside training and chat."""
    workers_each: int = 200
    """Jobs of one visitor, at work or waiting."""
    imports_at_once: int = 4
    """Imports of data at work."""
    imports_waiting: int = 100
    """Imports of data that wait for others."""
    token_counts_at_once: int = 2
    """Token counts at work."""
    token_counts_waiting: int = 20
    """Token counts that wait for others."""
    downloads_at_once: int = 2
    """Base models on their way from the Hub."""
    downloads_waiting: int = 10
    """Base models that wait for others to arrive."""
    exports_at_once: int = 2
    """Exports at work."""
    exports_waiting: int = 10
    """Exports that wait for others."""
    evaluations_at_once: int = 2
    """Evaluations at work."""
    evaluations_waiting: int = 50
    """Evaluations that wait for others."""
    blends_at_once: int = 2
    """Blends at work; none waits."""
    blends_waiting: int = 0
    """Blends that wait for others."""
    publications_at_once: int = 2
    """Uploads to the Hub at work."""
    publications_waiting: int = 10
    """Uploads to the Hub that wait for others."""
    calibrations_at_once: int = 1
    """Measurements of this machine at work."""
    calibrations_waiting: int = 0
    """Measurements of this machine that wait for others."""
    checks_at_once: int = 2
    """Checks of places at work."""
    checks_waiting: int = 10
    """Checks of places that wait for others."""
    free_memory_gib: float = 0.25
    """Memory that stays free: with less, no worker is started."""
    free_disk_gib: float = 0.25
    """Disk that stays free: with less, nothing new is taken."""

    runs_waiting: int = 200
    """Runs in the queue."""
    runs_waiting_each: int = 200
    """Runs in the queue of one visitor."""
    group_runs: int = 20
    """Runs that are started together."""
    runs_at_place_each: int = 1000
    """Nodes of one place beside this machine that the runs of one visitor have at the same time."""
    model_gib: float = 250.0
    """The largest base model that is fetched from the Hub."""
    lookups_at_once: int = 4
    """Threads that look models up on the Hub or compare data sets."""
    lookups_waiting: int = 16
    """Look-ups that wait for a thread."""
    lookups_remembered: int = 200
    """Answers of look-ups that are kept."""
    failed_lookup_seconds: float = 60.0
    """Seconds after which a look-up that failed is tried again."""

    upload_mib: int = 4096
    """One uploaded file."""
    uploads_waiting: int = 500
    """Uploads that are kept for a while, of all visitors."""
    uploads_waiting_each: int = 500
    """Uploads that are kept for a while, of one visitor."""
    uploads_waiting_mib: int = 32_768
    """All uploads that are kept for a while."""
    uploads_waiting_mib_each: int = 32_768
    """All uploads of one visitor that are kept for a while."""
    upload_minutes: int = 24 * 60
    """Minutes after which an upload is deleted."""
    request_mib: int = 64
    """The body of a request that is no upload."""
    requests_at_once: int = 500
    """Requests that are answered at the same time."""
    requests_at_once_each: int = 500
    """Requests of one visitor that are answered at the same time."""
    streams_at_once: int = 1000
    """Streams of events that are open."""
    streams_at_once_each: int = 1000
    """Streams of events of one visitor that are open."""
    answers_at_once: int = 32
    """Answers for programs that are written at the same time."""
    api_request_mib: int = 8
    """The body of a request of a program that is no upload."""
    sessions: int = 1000
    """Open pages whose state is kept; the oldest goes first."""
    actions_waiting: int = 500
    """Actions on the page that wait for their turn."""

    chats_at_once: int = 4
    """Chat workers of all accounts, each with a model in memory."""
    pages_at_once: int = 200
    """Accounts whose page is kept in memory."""
    visitors_at_once: int = 40
    """Visitors who look around without an account."""
    account_disk_gib: float = 1000.0
    """Disk that one account may fill."""
    account_run_minutes: int = 24 * 60
    """Minutes a day for which the runs of one account may train."""
    account_tokens: int = 100_000_000
    """Tokens a day that models may write for one account."""

    pasted_characters: int = 20_000_000
    """A text that is pasted to learn from."""
    typed_rows: int = 10_000
    """Rows that are typed to learn from."""
    prompt_characters: int = 200_000
    """One message or system prompt of a conversation."""
    sheet_prompts: int = 1000
    """Prompts of one prompt sheet."""
    answer_tokens: int = 4096
    """The longest answer, in tokens."""
    conversation_turns: int = 500
    """Questions of one conversation."""

    def variables(self) -> dict[str, str]:
        """Return the bounds as environment variables, so that a worker keeps the same ones."""
        return {variable(name): str(value) for name, value in asdict(self).items()}


LAPTOP = Limits()

PUBLIC = Limits(
    workers_at_once=4,
    workers_each=4,
    imports_at_once=2,
    imports_waiting=20,
    token_counts_at_once=1,
    token_counts_waiting=10,
    downloads_at_once=1,
    downloads_waiting=3,
    exports_at_once=1,
    exports_waiting=5,
    evaluations_at_once=1,
    evaluations_waiting=20,
    blends_at_once=1,
    publications_at_once=1,
    publications_waiting=5,
    free_memory_gib=1.0,
    free_disk_gib=5.0,
    runs_waiting=50,
    runs_waiting_each=5,
    group_runs=5,
    runs_at_place_each=2,
    model_gib=10.0,
    upload_mib=1024,
    uploads_waiting=100,
    uploads_waiting_each=20,
    uploads_waiting_mib=10_240,
    uploads_waiting_mib_each=2048,
    upload_minutes=60,
    request_mib=16,
    requests_at_once=300,
    requests_at_once_each=40,
    streams_at_once=400,
    streams_at_once_each=32,
    answers_at_once=8,
    api_request_mib=2,
    sessions=300,
    actions_waiting=200,
    chats_at_once=2,
    pages_at_once=100,
    visitors_at_once=20,
    account_disk_gib=20.0,
    account_run_minutes=240,
    account_tokens=1_000_000,
    pasted_characters=2_000_000,
    typed_rows=2000,
    prompt_characters=20_000,
    sheet_prompts=200,
    answer_tokens=1024,
    conversation_turns=60,
)


def limits_of(*, public: bool, together: bool = False, changes: Changes = ()) -> Limits:
    """Return the bounds of a studio on a laptop or on a public address, with what was set instead.

    `together` is for a place where all visitors come through one proxy and cannot be told apart: the bounds of one
    visitor do not bite there, and those of all remain.
    """
    each = {name: value for name, value in asdict(LAPTOP).items() if name.endswith("_each")} if together else {}
    return replace(PUBLIC if public else LAPTOP, **each | dict(changes))


def variable(name: str) -> str:
    """Name the environment variable that changes a bound."""
    return f"{VARIABLE}{name.upper()}"


def read_changes(environment: Mapping[str, str]) -> Changes:
    """Read the bounds that the environment sets. Raises ConfigError for an unknown name and for no number above 0."""
    kinds = {variable(each.name): (each.name, each.type) for each in fields(Limits)}
    changes = []
    for given, text in sorted(environment.items()):
        if not given.startswith(VARIABLE):
            continue
        if given not in kinds:
            raise ConfigError(f"There is no limit {given}.", f"These can be set: {', '.join(sorted(kinds))}.")
        name, kind = kinds[given]
        changes.append((name, _number(given, text, whole=kind is int)))
    return tuple(changes)


def _number(given: str, text: str, *, whole: bool) -> float:
    # An explicit ceiling keeps "1e999" and numbers of a thousand digits out.
    try:
        value = float(text) if len(text) <= 20 else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1e12 or (whole and value != int(value)):
        what = "a whole number" if whole else "a number"
        raise ConfigError(f"{given} is '{text[:40]}'.", f"Give {what} from 0 on, or leave it out.")
    return int(value) if whole else value


def raised_by(name: str) -> str:
    """Say how a bound is changed."""
    return f"Whoever runs the studio can set {variable(name)}."


def require_within(limits: Limits, name: str, found: object, noun: str) -> None:
    """Raise TooMany where more was asked for than the bound of that name allows."""
    most = getattr(limits, name)
    # What is no number is refused in its own words, where the question is asked.
    if isinstance(found, int | float) and found > most:
        raise TooMany(f"{found:,} {noun} are too many; {most:,} are taken.", f"Take fewer. {raised_by(name)}")
