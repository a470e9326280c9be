"""The table of the runs as markup: a page of it, with what it is sorted by."""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePath

from markupsafe import Markup

from studio.config import STARTER
from studio.runs.listing import KEYS, PAGE_ROWS, Page, Query, Together
from studio.runs.summary import Summary
from studio.ui.kit import actions, fragments
from studio.ui.kit.form import CHOICE_LABELS
from studio.ui.kit.numbers import moment
from studio.ui.train.cards import PHASES, WAITING_PHASE
from studio.wording import brief_duration, counted

COLUMNS = {
    "name": "Name",
    "state": "State",
    "dataset": "Data set",
    "model": "Base",
    "method": "Method",
    "best_loss": "Best held\u2011out",
    "seconds": "Took",
    "last_loss": "Loss by step",
    "created": "Created",
}
"""What each column is called, by what it is sorted by."""

ORDERS = {**COLUMNS, "rank": "Rank", "learning_rate": "Learning rate", "epochs": "Epochs"}
"""What the runs can be sorted by where there is a list of that."""

_RISING_FIRST = ("name", "state", "dataset", "model", "method", "best_loss", "last_loss")
_WIDTH, _HEIGHT = 64, 24


def first_direction(column: str) -> bool:
    """Tell whether a column that was not sorted by before is sorted downwards first."""
    return column in KEYS and column not in _RISING_FIRST


def table(
    page: Page,
    query: Query,
    *,
    chosen: Collection[str],
    opened: str,
    unread: int,
    all_runs: int,
    opened_group: str = "",
) -> Markup:
    """Draw a page of the table with its count and its pager, or what fills it."""
    if not all_runs:
        return fragments.empty(
            "No run yet",
            "Every run that you start is listed here, for as long as you keep it. Press Start training on the "
            "Configure tab, or import a run that was exported elsewhere.",
        )
    if not page.rows:
        nothing = fragments.empty("No run found", "No run has these words and this state.")
        every = actions.button("Show all runs", "all")
        return fragments.stack([nothing, fragments.buttons(every), _unread(unread, of=all_runs)])
    drawn = fragments.render(
        "runs/table.html",
        columns=COLUMNS,
        query=query,
        rows=[
            (run, _group_cells(group) if (group := page.groups.get(run.group)) else _cells(run), group)
            for run in page.rows
        ],
        chosen=chosen,
        opened=opened,
        opened_group=opened_group,
    )
    below = [_marked(len(chosen)), _pager(page), _unread(unread, of=all_runs)]
    return fragments.stack([_narrow_order(query), drawn, *below])


def _marked(count: int) -> Markup:
    """Say that runs are marked and lead to what comes of it, which is below everything else: on a phone far below."""
    if not count:
        return Markup("")
    said = "1 run marked. Mark another one to compare them." if count == 1 else f"{count:,} runs marked."
    more = actions.button("Show the comparison", "marked", scroll="runs-chart") if count > 1 else ""
    return Markup('<div class="ls-marked" role="status"><span>{}</span>{}</div>').format(said, more)


def _narrow_order(query: Query) -> Markup:
    """Offer the order where the head of the table has no room."""
    choices = [
        (f"{column} {way}", f"{label}, {'descending' if way == 'down' else 'ascending'}")
        for column, label in ORDERS.items()
        for way in ("up", "down")
    ]
    chosen = f"{query.sort} {'down' if query.descending else 'up'}"
    picked = actions.chooser("order", key="", choices=choices, chosen=chosen, name="Sort the runs by")
    return Markup('<div class="ls-runs-order">{}</div>').format(picked)


def _cells(run: Summary) -> dict[str, Markup | str]:
    return {
        "state": state_badge(run),
        "dataset": run.dataset,
        "model": base_name(run.model),
        "method": method_name(run.method),
        "best_loss": _best_loss(run),
        "seconds": "" if run.seconds is None else brief_duration(run.seconds),
        "last_loss": sparkline(run.spark),
        "created": moment(run.created),
    }


def _group_cells(group: Together) -> dict[str, Markup | str]:
    """Say in one line how runs are that were started together."""
    runs = group.runs
    best = group.best
    datasets = {run.dataset for run in runs}
    models = {base_name(run.model) for run in runs}
    methods = {method_name(run.method) for run in runs}
    times = [run.seconds for run in runs if run.seconds is not None]
    return {
        "state": group_badge(group),
        "dataset": next(iter(datasets)) if len(datasets) == 1 else counted(len(datasets), "data set"),
        "model": next(iter(models)) if len(models) == 1 else counted(len(models), "base model"),
        "method": next(iter(methods)) if len(methods) == 1 else counted(len(methods), "method"),
        "best_loss": "" if best is None else _best_loss(best),
        "seconds": brief_duration(sum(times)) if times else "",
        "last_loss": "",
        "created": moment(min(run.created for run in runs)),
    }


def group_badge(group: Together) -> Markup:
    """Say how many runs of a group are done."""
    at_work = any(run.is_at_work for run in group.runs)
    kind = "busy" if at_work else "good" if group.done == len(group.runs) else "quiet"
    return fragments.badge(kind, f"{group.done:,} of {len(group.runs):,} done")


def _best_loss(run: Summary) -> Markup | str:
    """Write the best held-out loss; until all examples were scored, with how many of them it is over."""
    if run.best_loss is None:
        return ""
    if run.best_part is None:
        return f"{run.best_loss:.3f}"
    part, of = run.best_part
    over = f"over {part:,} of {of:,}"
    return Markup('{:.3f} <span class="ls-note">{}</span>').format(run.best_loss, over)


def state_badge(run: Summary) -> Markup:
    """Name the state of a run, with its place in the queue or how far it is."""
    if run.status is None:
        return Markup('<span class="ls-note">{}</span>').format("being read")
    kind, label = WAITING_PHASE if run.is_waiting else PHASES[run.status]
    if run.place:
        label = f"{label}, {ordinal(run.place)}"
    elif run.status == "training" and run.total_steps:
        label = f"{label}, {100 * run.step // run.total_steps} %"
    return fragments.badge(kind, label)


def ordinal(place: int) -> str:
    """Write a place in a line: "next", "2nd", "13th"."""
    written = (f"{place:d}th", f"{place:d}st", f"{place:d}nd", f"{place:d}rd")
    last = place % 10
    return "next" if place == 1 else written[last if last < len(written) and place // 10 % 10 != 1 else 0]


def base_name(model: str) -> str:
    """Name a base model briefly: the last part of a Hub id or of a folder."""
    return "Starter model" if model == STARTER else PurePath(model).name or model


def method_name(method: str) -> str:
    """Name a method briefly."""
    return "Full" if method == "full" else CHOICE_LABELS.get(method, method)


def rate(learning_rate: float) -> str:
    """Write a learning rate: "0.0005", "5e-5"."""
    return re.sub(r"e-0*", "e-", f"{learning_rate:.3g}")


def sparkline(losses: Sequence[float]) -> Markup:
    """Draw how the training loss went, the highest at the top."""
    if len(losses) < 2:
        return Markup("")
    low, span = min(losses), (max(losses) - min(losses)) or 1.0
    points = " ".join(
        f"{place * (_WIDTH - 2) / (len(losses) - 1) + 1:.0f},{_HEIGHT - 2 - (loss - low) / span * (_HEIGHT - 4):.1f}"
        for place, loss in enumerate(losses)
    )
    return Markup(
        '<svg class="ls-spark" width="{}" height="{}" role="img" aria-label="Training loss from {:.2f} to {:.2f}">'
        '<polyline points="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, losses[0], losses[-1], points)


def _pager(page: Page) -> Markup:
    count = counted(page.total, "run or group", "runs and groups") if page.groups else counted(page.total, "run")
    first = page.page * PAGE_ROWS
    said = count if page.pages == 1 else f"{first + 1:,} to {first + len(page.rows):,} of {count}"
    return actions.pager(said, "page", page=page.page, pages=page.pages)


def _unread(unread: int, *, of: int) -> Markup:
    """Say how many of the runs are known by their names or settings alone so far."""
    return fragments.line("busy", f"Runs are being read: {of - unread:,} of {of:,}.") if unread else Markup("")
