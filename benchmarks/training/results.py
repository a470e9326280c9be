"""What was measured, and the tables made of it. Knows nothing of how it was measured."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.machine import Peak

BUSY = 0.1
"""From this share of the processors on, what other programs used is told."""


@dataclass(frozen=True)
class Measured:
    """One training of one contender. `to_first_step` counts from the start of its process or command."""

    contender: str
    round: int
    wall_seconds: float
    loop_seconds: float
    to_first_step: float
    peak_mib: float
    steps: int
    others_share: float
    loss: float


@dataclass(frozen=True)
class SetResult:
    """Everything measured on one set, and what every contender had to do at least in its one epoch."""

    name: str
    rows: int
    tokens: int
    learned: int
    operations: float
    base_loss: float
    measured: tuple[Measured, ...]


@dataclass(frozen=True)
class Medians:
    """A contender's medians over the rounds. `peak_share` is of the machine's best matrix product."""

    contender: str
    rounds: int
    wall_seconds: float
    loop_seconds: float
    to_first_step: float
    tokens_per_second: float
    peak_mib: float
    peak_share: float
    others_share: float
    loss: float


def medians(result: SetResult, *, peak: Peak, with_bf16: bool) -> list[Medians]:
    """Return the medians of every contender, and once more those of the tuned TRL with the shortest loop."""
    best_rate = 1e9 * (max(peak.fp32, peak.bf16) if with_bf16 else peak.fp32)
    found: list[Medians] = []
    for name in dict.fromkeys(each.contender for each in result.measured):
        rounds = [each for each in result.measured if each.contender == name]
        loop = _median(rounds, lambda each: each.loop_seconds)
        found.append(
            Medians(
                contender=name,
                rounds=len(rounds),
                wall_seconds=_median(rounds, lambda each: each.wall_seconds),
                loop_seconds=loop,
                to_first_step=_median(rounds, lambda each: each.to_first_step),
                tokens_per_second=result.tokens / loop,
                peak_mib=_median(rounds, lambda each: each.peak_mib),
                peak_share=result.operations / loop / best_rate,
                others_share=_median(rounds, lambda each: each.others_share),
                loss=_median(rounds, lambda each: each.loss),
            )
        )
    return found


def table(result: SetResult, rows: Sequence[Medians]) -> str:
    """Write one set's medians as a table in Markdown, with what the studio takes of each other's time and memory."""
    ours = next((row for row in rows if row.contender == "ours"), None)
    lines = [
        f"{result.name}: {result.rows} rows, {result.tokens:,} tokens, {result.learned:,} learned, "
        f"median of {max(row.rounds for row in rows)}; held-out loss of the base {result.base_loss:.3f}",
        "",
        "| | whole, s | loop, s | tokens/s | memory, MiB | of peak | to first step, s | held-out loss "
        "| ours/it: whole | loop | memory |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    tuned = [row for row in rows if row.contender.startswith("trl-")]
    best = min(tuned, key=lambda row: row.loop_seconds) if len(tuned) > 1 else None
    for row in rows:
        name = f"{row.contender} (best tuned TRL)" if row is best else row.contender
        cells = [
            name,
            f"{row.wall_seconds:.1f}",
            f"{row.loop_seconds:.1f}",
            f"{row.tokens_per_second:,.0f}",
            f"{row.peak_mib:,.0f}",
            f"{row.peak_share:.0%}",
            f"{row.to_first_step:.1f}",
            f"{row.loss:.3f}",
            *_ratios(ours, row),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    busy = [f"{row.contender} {row.others_share:.0%}" for row in rows if row.others_share >= BUSY]
    if busy:
        lines += ["", f"Other programs used the processors meanwhile, which lengthens the times: {', '.join(busy)}."]
    return "\n".join(lines)


def _ratios(ours: Medians | None, row: Medians) -> tuple[str, ...]:
    if ours is None or row is ours:
        return ("", "", "")
    ratios = (
        ours.wall_seconds / row.wall_seconds,
        ours.loop_seconds / row.loop_seconds,
        ours.peak_mib / row.peak_mib,
    )
    return tuple(f"{ratio:.2f}" for ratio in ratios)


def _median(rounds: Sequence[Measured], what: Callable[[Measured], float]) -> float:
    return statistics.median(map(what, rounds))
