"""The results of a run as one table that a person reads."""

import json
from pathlib import Path
from typing import Any

WIDEST = 400


def table(results: Path) -> str:
    """Write what was found, part by part, each finding on a line; traces are left to the file."""
    found = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    lines = []
    for each in sorted(found, key=lambda one: (one["part"] == "process", one["part"])):
        part = each.pop("part")
        said = "  ".join(f"{key}={_short(value)}" for key, value in each.items() if key not in ("trace", "parts"))
        lines.append(f"{part:18} {said}"[: WIDEST if part != "4 profile" else 3000])
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "\n      " + "\n      ".join(" ".join(str(part) for part in each) for each in value)
    return str(value)
