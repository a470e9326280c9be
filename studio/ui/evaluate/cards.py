"""What the Evaluate tab says of one report: how far it is, three sentences, its figures, what was forgotten."""

from markupsafe import Markup

from studio.jobs import standard_tasks, verdicts
from studio.jobs.evaluation_report import (
    AT_THE_END,
    FEWEST_ROWS,
    HELD_OUT,
    Confusion,
    EvaluationReport,
    Forgetting,
)
from studio.jobs.evaluations import OF_A_FILE, EvaluationState
from studio.runs.summary import Summary
from studio.ui.evaluate import figures
from studio.ui.evaluate.state import TabState
from studio.ui.kit import actions, fragments
from studio.ui.kit.numbers import moment
from studio.wording import brief_duration

EVALUATE, CANCEL = "evaluate", "cancel"

UNASKED = "A run that finishes is evaluated by itself, on rows kept out of its training."
ASKED = "A run is evaluated when you ask for it, on rows kept out of its training."
SOURCES = {
    "written": ("As written", "What each model writes, read as a label. Anything else counts as another answer."),
    "likelihood": ("By likelihood", "The label that each model finds likeliest, whatever it would write."),
}
OTHER = "another answer"
STANDARD = "Public benchmarks, asked as lm-evaluation-harness asks them."


def status(tab_state: TabState) -> Markup:
    """Say how far the evaluation is, with what can be done about it."""
    if tab_state.run is None or tab_state.state is None:
        return fragments.empty(
            "No finished run yet",
            "When a run has finished training, you see here how it compares with its base model, and what it forgot.",
        )
    state, name = tab_state.state, tab_state.selection.name
    if state.status == "working":
        return _working(state, name, has_report=tab_state.report is not None)
    if state.status == "failed" and state.failed is not None:
        again = _again(tab_state.run.id) if name == AT_THE_END else ""
        once_more = " To try again, upload the file once more." if name.startswith(OF_A_FILE) else ""
        hint = f"{state.failed.hint}{once_more}".strip()
        return fragments.stack([fragments.notice("bad", state.failed.message, hint), again])
    if state.status == "waiting":
        return _waiting(tab_state.run, state, name)
    if state.status == "ready" or tab_state.report is not None:
        return fragments.line("good", made(tab_state.report)) if tab_state.report is not None else Markup("")
    return _none(tab_state.run, state)


def _working(state: EvaluationState, name: str, *, has_report: bool) -> Markup:
    far = state.done / state.total if state.total else None
    count = f" ({state.done:,} of {state.total:,})" if state.total else ""
    said = fragments.line("busy", f"Evaluating. {state.sentence.removesuffix('.')}{count}.")
    plan = fragments.line("quiet", state.remark) if state.remark else ""
    old = fragments.line("quiet", "The report below is the previous one.") if has_report else ""
    cancel = actions.button("Stop the evaluation", CANCEL, key=name, kind="stop", once=True)
    return fragments.stack(
        [said, fragments.bar(far, name="Progress of the evaluation"), plan, fragments.buttons(cancel), old]
    )


def _waiting(run: Summary, state: EvaluationState, name: str) -> Markup:
    if run.is_at_work or run.place:  # there is no evaluation yet that could be cancelled
        return fragments.empty("Still training" if run.is_at_work else "Waiting to train", state.sentence)
    leave = actions.button("Cancel the evaluation", CANCEL, key=name, once=True)
    now = actions.button("Evaluate it now", EVALUATE, key=run.id, once=True)
    waiting = fragments.empty("Waiting to be evaluated", state.sentence)
    return fragments.stack([waiting, fragments.buttons(now, leave)])


def _none(run: Summary, state: EvaluationState) -> Markup:
    if run.is_at_work:
        return fragments.empty("Still training", "It can be evaluated when it ends.")
    if not run.has_result:
        return fragments.empty("Nothing to evaluate", "This run left no result. Resume it, or let another one finish.")
    if state.status == "nothing":
        return fragments.empty(
            "Nothing to evaluate on",
            "No row of this run was held out. Under “Evaluate again”, upload a file of other examples.",
        )
    now = actions.button("Evaluate it now", EVALUATE, key=run.id, kind="primary", once=True)
    return fragments.stack([fragments.empty("Not evaluated yet", state.sentence), fragments.buttons(now)])


def _again(run_id: str) -> Markup:
    return fragments.buttons(actions.button("Try again", EVALUATE, key=run_id, kind="primary", once=True))


def made(report: EvaluationReport) -> str:
    """Say when, on what and in what time a report was made."""
    what = "held-out rows" if report.data == HELD_OUT else f"rows of {report.data}"
    device = "the CPU" if report.device == "cpu" else "the GPU"
    took = f"{brief_duration(report.seconds)} on {device}, {report.precision}"
    return f"Evaluated {moment(report.created)} on {report.rows:,} of {report.rows_available:,} {what}, in {took}."


def summary(report: EvaluationReport | None) -> Markup:
    """Say in three sentences what changed, how sure that is and what was forgotten, and what must be known of that."""
    if report is None:
        return Markup("")
    said = verdicts.summary(report)
    rows = (("What changed", said.change), ("Confidence", said.confidence), ("Forgetting", said.forgotten))
    lines = fragments.join(
        Markup('<div class="ls-{}"><dt>{}</dt><dd>{}</dd></div>').format(each.kind, name, each.text)
        for name, each in rows
        if each.text
    )
    cautions = [fragments.line("warning", text) for text in said.cautions]
    then = "" if said.next is None else fragments.notice(said.next.kind, said.next.text)
    return fragments.stack([then, Markup('<dl class="ls-says">{}</dl>').format(lines), *cautions])


def scores(report: EvaluationReport) -> Markup:
    """Draw the figures, with what the small numbers mean."""
    note = "The small numbers are 95 % intervals, from drawing the rows again many times (bootstrap)."
    if report.rows < FEWEST_ROWS:
        note = f"With fewer than {FEWEST_ROWS} rows there is no interval, and no change is clear."
    remarks = [fragments.line("quiet", text) for text in (note, _more_rows(report), *report.remarks) if text]
    return fragments.stack([figures.table(report.figures, main=report.main, name="Scores on the task"), *remarks])


def _more_rows(report: EvaluationReport) -> str:
    """Say how to have the other rows asked, where there are some."""
    if report.rows + report.rows_left_out >= report.rows_available:
        return ""
    return (
        f"{report.rows:,} of {report.rows_available:,} rows were asked. Choose all of them, or another number, under "
        "“Evaluate again”."
    )


def forgetting(found: Forgetting | None) -> Markup:
    """Say what the training cost in general ability, with what the two probes are made of."""
    if found is None:
        return fragments.empty(
            "Not checked",
            "This evaluation skipped the general questions. Evaluate again with them to see what was forgotten.",
        )
    details = [
        _details(
            f"By subject ({len(found.subjects)})", figures.parts_table(found.subjects, found.knowledge, first="Subject")
        ),
        _details(
            f"By kind of text ({len(found.genres)})",
            figures.parts_table(found.genres, found.language, first="Kind of text"),
        ),
    ]
    table = figures.table((found.knowledge, found.language), name="General ability")
    return fragments.stack([table, *details])


def standard(report: EvaluationReport) -> Markup:
    """Draw how both models did in the standard tasks, with what the figures are."""
    note = "In brackets is the harness's name of the score."
    table = figures.table(report.standard, name="Standard tasks")
    return fragments.stack([table, fragments.line("quiet", note)])


def tasks_missing() -> Markup:
    """Say what it takes to have standard tasks."""
    return Markup('<p class="ls-line ls-quiet">{} {}</p>').format(
        "Standard tasks (HellaSwag, MMLU and others) need lm-evaluation-harness, which is not installed.",
        standard_tasks.HOW_TO_INSTALL,
    )


def _details(title: str, inner: Markup) -> Markup:
    return Markup('<details class="ls-details"><summary>{}</summary>{}</details>').format(title, inner)


def confusions(report: EvaluationReport) -> Markup:
    """Draw how often each label was answered as which, as written and by likelihood."""
    return fragments.stack(confusion(each) for each in report.confusions)


def confusion(found: Confusion) -> Markup:
    """Draw both tables of one source side by side, under its name."""
    title, text = SOURCES.get(found.source, (found.source, ""))
    # A column in which nobody ever is says nothing.
    others = any(row[-1] for counts in (found.base, found.tuned) for row in counts)
    columns = (*found.labels, OTHER) if others else found.labels
    both = [
        (name, counts, sum(row[place] for place, row in enumerate(counts)), sum(map(sum, counts)))
        for name, counts in (("Base", found.base), ("Tuned", found.tuned))
    ]
    return fragments.render("evaluate/confusion.html", title=title, text=text, columns=columns, other=OTHER, both=both)
