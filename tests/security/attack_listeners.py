"""Attempts with values: every listener of the page is called with what no page would send."""

from collections.abc import Iterator

from tests.security.attempts import Outcome, Target, judged
from tests.security.visitor import Visitor


def junk(target: Target) -> dict[str, object]:
    """Return one value of each kind that a listener should not have to foresee."""
    return {
        "null": None,
        "a number": -1,
        "a huge number": 10**400,
        "not a number": float("nan"),
        "endless": float("inf"),
        "an empty text": "",
        "a long text": "x" * 1_000_000,
        "a path": f"../../../../..{target.private}",
        "a null byte": "a\0b",
        "half a surrogate": "\ud800",
        "script": "<script>window.hit=1</script>",
        "a list": [1, [2, [3]], None],
        "an object": {"a": {"b": {}}, "__type__": "update", "path": str(target.private)},
        "nested lists": _nested(60),
        "true": True,
    }


def listeners(target: Target) -> Iterator[Outcome]:
    """Call each listener with each kind of junk in every place; one line each, for the worst that came."""
    visitor = target.visitor()
    values = junk(target)
    kinds = list(values)
    for listener in visitor.listeners:
        tried = kinds if not target.is_quick else [kinds[(listener["id"] + turn * 4) % len(kinds)] for turn in range(4)]
        outcomes = [_one(target, visitor, listener, kind, values[kind]) for kind in tried]
        found = [outcome for outcome in outcomes if outcome.is_open]
        yield from found
        if not found:
            name = f"listener {listener['id']} ({listener['api_name']})"
            yield Outcome(name, False, f"{len(outcomes)} kinds of junk, {outcomes[-1].what[:80]}")


def _one(target: Target, visitor: Visitor, listener: dict[str, object], kind: str, value: object) -> Outcome:
    inputs = listener["inputs"]
    assert isinstance(inputs, list)
    said = visitor.call(listener, data=[value for _ in inputs], event=value)
    return judged(f"listener {listener['id']} ({listener['api_name']}) with {kind}", said, target)


def presses(target: Target) -> Iterator[Outcome]:
    """Press what is no button: verbs and keys that no page draws, on everything that takes presses."""
    visitor = target.visitor()
    keys = ["../../queue", f"{target.private}", "x" * 100_000, "a\0b", "", "1e999", "-1", "__class__"]
    for listener in visitor.listeners:
        names = [visitor.components.get(id, {}).get("type") for id, _ in listener["targets"] if isinstance(id, int)]
        if "html" not in names:
            continue
        for key in keys if not target.is_quick else keys[:3]:
            for verb in ("open", "delete", "restore", "__init__"):
                event = {"verb": verb, "key": key, "value": key, "number": key}
                said = visitor.call(listener, event=event)
                outcome = judged(f"press {verb} {key[:20]!r} on listener {listener['id']}", said, target)
                if outcome.is_open:
                    yield outcome
        yield Outcome(f"presses on listener {listener['id']}", False, "none was taken for more than it is")


def ids(target: Target) -> Iterator[Outcome]:
    """Name runs and data sets by what leaves their folder."""
    visitor = target.visitor()
    for id in (
        "../../etc",
        "..",
        ".",
        "/",
        f"{target.private}",
        "a/../../b",
        "%2e%2e",
        "..\\..",
        "CON",
        "\0",
        "x" * 5_000,
        "-rf",
    ):
        shown = id if len(id) < 50 else f"{id[:20]}..."
        yield judged(f"run_status {shown!r}", visitor.api("run_status", [id]), target)
        yield judged(f"export_run {shown!r}", visitor.api("export_run", [id, "adapter"]), target)
        yield judged(f"export_run kind {shown!r}", visitor.api("export_run", ["x", id]), target)


def _nested(depth: int) -> object:
    value: object = "end"
    for _ in range(depth):
        value = [value]
    return value


GROUPS = (ids, listeners, presses)
