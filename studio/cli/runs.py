"""`python app.py runs`: the newest runs, the groups of runs that were started together, and the runs of one of them."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studio.jobs.variants import label_of, tried_in_words
from studio.planning import groups
from studio.runs.summary import Summary
from studio.studio import Studio
from studio.wording import brief_duration, counted

_MOST_LISTED = 50


def runs(studio: Studio, *, group: str | None, console: Console) -> int:
    """Print the newest runs; with an empty `group` the groups, else that group. Raises RunError for an unknown one."""
    found = studio.summaries.read_all().runs
    if group:
        show_group(studio, groups.group_named(found, group)[0].group, console=console)
    elif group is not None:
        _list_groups(studio, found, console=console)
    else:
        _list_runs(found, console=console)
    return 0


def show_group(studio: Studio, group: str, *, console: Console) -> None:
    """Print the runs of a group beside each other, and which is the best."""
    seen = groups.look(studio, studio.summaries.of_group(group, fresh=True))
    if seen is None:
        return
    _say(console, f"{seen.name}: {seen.done:,} of {counted(len(seen.members), 'run')} done")
    table = Table(box=None)
    for title in ("", *map(label_of, seen.tried), "held-out loss", "step", "took", "memory", "state", "name"):
        table.add_column(title, overflow="fold")
    for each in seen.members:
        over = "" if each.part is None else f" over {each.part[0]:,} of {each.part[1]:,}"
        cells = [
            "best" if each.is_best else "",
            *each.values,
            "" if each.loss is None else f"{each.loss:.3f}{over}",
            f"{each.step:,}" if each.step else "",
            "" if each.seconds is None else brief_duration(each.seconds),
            "" if each.memory_gib is None else f"{each.memory_gib:.1f} GB",
            each.status or "",
            studio.runs.find(each.run_id).name,
        ]
        table.add_row(*map(Text, cells))
    console.print(table)
    for verdict in seen.verdicts:
        _say(console, verdict.text)


def _list_groups(studio: Studio, found: tuple[Summary, ...], *, console: Console) -> None:
    together = groups.groups_of(found)
    if not together:
        _say(console, "No runs were started together. Try several settings: python app.py train --try rank=8,16 ...")
        return
    table = Table("name", "runs", "done", "differ in", "id", box=None)
    for group, members in list(together.items())[:_MOST_LISTED]:
        first = studio.runs.get(members[0].id).origin.group
        done = sum(run.status == "finished" for run in members)
        tried = "" if first is None else tried_in_words(first.tried)
        table.add_row(*map(Text, (members[0].group_name, f"{len(members):,}", f"{done:,}", tried, group)))
    console.print(table)


def _list_runs(found: tuple[Summary, ...], *, console: Console) -> None:
    if not found:
        _say(console, "No run yet. Train one: python app.py train --data FILE")
        return
    table = Table("name", "state", "data", "best held-out", "group", box=None)
    for run in found[:_MOST_LISTED]:
        loss = "" if run.best_loss is None else f"{run.best_loss:.3f}"
        table.add_row(*map(Text, (run.name, run.status or "", run.dataset, loss, run.group_name)))
    console.print(table)
    if len(found) > _MOST_LISTED:
        _say(console, f"And {len(found) - _MOST_LISTED:,} more.")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
