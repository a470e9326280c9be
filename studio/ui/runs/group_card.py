"""Runs that were started together, beside each other: what differs, how each did, which is the best. Markup alone."""

from markupsafe import Markup

from studio.jobs.group_comparison import Member, Verdict
from studio.jobs.variants import label_of, tried_in_words
from studio.planning.groups import GroupSeen
from studio.runs.view import WORKING
from studio.ui.kit import actions, fragments
from studio.ui.kit.fragments import Row
from studio.ui.train.cards import PHASES
from studio.wording import brief_duration, counted

_COLUMNS = ("Held-out loss", "Kept step", "Took", "Memory", "State")


def card(seen: GroupSeen | None) -> Markup:
    """Draw the group that is open; nothing where none is."""
    if seen is None:
        return Markup("")
    tried = tried_in_words(seen.tried)
    about = f"{seen.done:,} of {counted(len(seen.members), 'run')} done." + (
        f" They differ in {tried}." if tried else ""
    )
    if seen.gives_way and (seen.waiting or seen.at_work):
        about += " They let runs go first that are started alone."
    said = [part for each in seen.verdicts for part in (fragments.line(each.kind, each.best), _sure(each))]
    if len({each.likes for each in seen.members}) > 1:
        other = "Losses on other data or of other base models cannot be held against each other."
        said.append(fragments.line("quiet", other))
    columns = ("Run", *map(label_of, seen.tried), *_COLUMNS)
    table = fragments.table("ls-figures ls-group", columns, map(_row, seen.members), name="Runs of the group")
    head = fragments.heading(fragments.own(seen.name), about)
    parts = fragments.stack([head, *said, table, _buttons(seen)])
    return Markup('<section class="ls-card">{}</section>').format(parts)


def _sure(verdict: Verdict) -> Markup:
    return fragments.note(verdict.sure) if verdict.sure else Markup("")


def _row(member: Member) -> Row:
    name = Markup(
        '<button type="button" class="ls-run-name" data-verb="open" data-key="{}" data-scroll="runs-one"'
        ' translate="no">{}</button>'
    ).format(member.run_id, member.name)
    best = fragments.badge("good", "Best") if member.is_best else Markup("")
    over = "" if member.part is None else f" over {member.part[0]:,} of {member.part[1]:,}"
    cells = [
        *map(fragments.own, member.values),
        "" if member.loss is None else f"{member.loss:.3f}{over}",
        f"{member.step:,}" if member.step and member.loss is not None else "",
        "" if member.seconds is None else brief_duration(member.seconds),
        "" if member.memory_gib is None else f"{member.memory_gib:.1f} GB",
        "being read" if member.status is None else fragments.badge(*PHASES[member.status]),
    ]
    return Row(name + best, cells, kind="ls-chosen" if member.is_best else "")


def _buttons(seen: GroupSeen) -> Markup:
    """Offer what can be done with the group as it is now, the likeliest first."""
    shown = []
    if len(seen.verdicts) == 1 and seen.done:
        best = seen.verdicts[0].run_id
        shown.append(
            actions.button("Ask the best beside its base", "compare", key=best, kind="primary", scroll="header")
        )
        shown.append(actions.button("New run with the best settings", "like", key=best, scroll="header"))
    if sum(each.loss is not None for each in seen.members) > 1:
        shown.append(actions.button("Compare curves", "curves", key=seen.id, scroll="runs-chart"))
    if any(each.goes_on or (each.status in WORKING and each.status != "stopping") for each in seen.members):
        shown.append(actions.button("Stop the rest", "stop-rest", key=seen.id, kind="stop", once=True))
    if seen.waiting or any(each.goes_on for each in seen.members):
        shown.append(actions.button("Remove the rest from the queue", "unqueue-rest", key=seen.id, once=True))
    if seen.resting:
        shown.append(actions.button("Add the rest to the queue", "queue-rest", key=seen.id, once=True))
    shown.append(actions.button("Close", "group", key=seen.id, name="Close the group"))
    return fragments.buttons(*shown)
