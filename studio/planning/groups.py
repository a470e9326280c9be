"""What is known of a group of runs: before it starts, what all of them will take; afterwards, how each of them did."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from studio.errors import RunError, StudioError
from studio.jobs import tradeoff
from studio.jobs.evaluation_report import AT_THE_END, HELD_OUT, has_report, read_report, read_rows
from studio.jobs.group_comparison import Member, Verdict, verdicts
from studio.jobs.variants import TRIED, Variants, short_name, value_in_words
from studio.logs import logged
from studio.models.forecast.forecast import DOES_NOT_FIT, Forecast
from studio.planning import fitting, forecasts
from studio.planning.model_facts import ModelFacts
from studio.runs.listing import by_group
from studio.runs.store import DATA_TRIED, RunFolder
from studio.runs.summary import Summary
from studio.runs.view import WORKING
from studio.studio import Studio

_MOST_NAMED = 5
"""So many groups are named in a sentence."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GroupForecast:
    """What the runs of a group will take together, as far as it is known; `unknown` of the `runs` cannot be estimated.

    `seconds` are the least and the most for one run after the other, with their evaluations. `too_large` says of the
    runs whose memory this machine does not have what sets them apart.
    """

    runs: int
    seconds: tuple[float, float] | None
    disk_bytes: int
    unknown: int
    too_large: tuple[str, ...]


def expected(facts: ModelFacts, variants: Variants, *, validation_dataset_id: str = "") -> GroupForecast:
    """Estimate what the runs of a group will take."""
    found = [_forecast(facts, variants, place, validation_dataset_id) for place in range(len(variants.runs))]
    times = [each.time.range for each in found if each is not None and each.time is not None]
    return GroupForecast(
        runs=len(variants.runs),
        seconds=(sum(least for least, _ in times), sum(most for _, most in times)) if times else None,
        disk_bytes=sum(each.disk_bytes for each in found if each is not None),
        unknown=len(variants.runs) - len(times),
        too_large=tuple(
            run.says
            for run, each in zip(variants.runs, found, strict=True)
            if each is not None and each.verdict == DOES_NOT_FIT
        ),
    )


def _forecast(facts: ModelFacts, variants: Variants, place: int, validation_dataset_id: str) -> Forecast | None:
    run = variants.runs[place]
    try:
        drawn = replace(run.config, seed=variants.seed)
        found = fitting.parts(facts, drawn, run.dataset_id, validation_dataset_id)
    except StudioError:
        log.debug("The data of a run to be cannot be counted", exc_info=True)
        return None
    about = forecasts.known(facts.forecasts, run.config.model)
    return forecasts.estimated(facts.forecasts, about, run.config, fitting.workload(found))


@dataclass(frozen=True)
class GroupSeen:
    """A group as it is now. `members` are those that are done first, the best of them at the top."""

    id: str
    name: str
    tried: tuple[str, ...]
    gives_way: bool
    members: tuple[Member, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def waiting(self) -> tuple[Member, ...]:
        """Those that wait for their turn."""
        return tuple(each for each in self.members if each.status == "queued")

    @property
    def at_work(self) -> tuple[Member, ...]:
        """Those with a worker."""
        return tuple(each for each in self.members if each.status in WORKING)

    @property
    def resting(self) -> tuple[Member, ...]:
        """Those that never began, or ended before they were done, and can be put in the queue."""
        return tuple(each for each in self.members if each.status in ("draft", "stopped", "failed", "lost"))

    @property
    def done(self) -> int:
        """How many have finished."""
        return sum(each.status == "finished" for each in self.members)


def look(studio: Studio, summaries: Sequence[Summary]) -> GroupSeen | None:
    """Lay the runs of a group beside each other; None where none of them is there any more."""
    found = []
    group = None
    for each in summaries:
        with logged(log, "A run of a group is left out: it was deleted just now", RunError):
            run = studio.runs.get(each.id)
            group = group or run.origin.group
            if run.origin.group is not None:
                found.append(_member(studio, run, each, run.origin.group.tried))
    if group is None:
        return None
    told = verdicts(found, evaluates=studio.settings.evaluate)
    best = {each.run_id for each in told}
    ordered = sorted(found, key=lambda each: (not each.counts, each.likes, each.loss if each.counts else 0.0))
    members = tuple(replace(each, is_best=each.run_id in best) for each in ordered)
    return GroupSeen(group.id, group.name, group.tried, group.gives_way, members, told)


def _member(studio: Studio, run: RunFolder, summary: Summary, tried: Sequence[str]) -> Member:
    view = studio.scheduler.view(run.id).view
    check = view.kept_evaluation
    report = read_report(run, AT_THE_END)
    rows = read_rows(run, AT_THE_END) if report is not None and report.data == HELD_OUT else ()
    return Member(
        run_id=run.id,
        name=short_name(summary.name, summary.group_name),
        status=summary.status,
        values=tuple(_value(run, name) for name in tried),
        model=run.config.model,
        data=run.origin.dataset_sha256,
        loss=check.figure if check is not None and check.step else None,
        part=check.only if check is not None else None,
        step=view.kept_step,
        seconds=summary.seconds,
        memory_gib=tradeoff.peak_memory_gib(view),
        row_losses={row.number: row.tuned_loss for row in rows if row.tuned_loss is not None},
        scored_on="" if report is None else report.data_sha256,
        goes_on=summary.is_at_work and run.id in studio.scheduler.waiting(),
        is_awaited=is_awaited(studio, run),
        has_chosen_step=view.finished is not None and bool(view.finished.kept_step),
    )


def is_awaited(studio: Studio, run: RunFolder) -> bool:
    """Say whether a run that has no report yet is being evaluated at its end, or is to be."""
    return not has_report(run, AT_THE_END) and studio.evaluations.state(run.id).status in ("waiting", "working")


def _value(run: RunFolder, name: str) -> str:
    if name == DATA_TRIED:
        return run.origin.dataset_name
    if name == "model":
        return value_in_words(run.origin.model_name)
    return value_in_words(getattr(run.config, name)) if name in TRIED else ""


def groups_of(runs: Iterable[Summary]) -> dict[str, tuple[Summary, ...]]:
    """Put the runs of each group together, by its id, the group of the newest run first."""
    newest_first = sorted((run for run in runs if run.group), key=lambda run: (run.created, run.id), reverse=True)
    return {group: tuple(reversed(members)) for group, members in by_group(newest_first).items()}


def group_named(runs: Iterable[Summary], name: str) -> tuple[Summary, ...]:
    """Return the runs of the group that a person names, by its name or its id.

    Raises RunError when there is none, or when several have that name.
    """
    groups = groups_of(runs)
    if name in groups:
        return groups[name]
    found = [group for group, members in groups.items() if members[0].group_name.casefold() == name.strip().casefold()]
    if len(found) == 1:
        return groups[found[0]]
    if found:
        ids = ", ".join(found[:_MOST_NAMED])
        raise RunError(f"{len(found):,} groups have the name '{name[:80]}'.", f"Give one of these instead: {ids}.")
    newest = ", ".join(f"'{members[0].group_name}'" for members in list(groups.values())[:_MOST_NAMED])
    raise RunError(f"There is no group of runs '{name[:80]}'.", f"The newest groups: {newest}." if newest else "")
