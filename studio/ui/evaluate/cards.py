"""What the Evaluate tab says of one report: how far it is, its headline, its figures, what was forgotten."""

from markupsafe import Markup

from studio.jobs import standard_tasks
from studio.jobs.evaluation_report import AT_THE_END, HELD_OUT, Confusion, EvaluationReport, Forgetting
from studio.jobs.evaluations import OF_A_FILE, EvaluationState
from studio.runs.summary import Summary
from studio.ui.evaluate import figures
from studio.ui.evaluate.state import TabState
from studio.ui.kit import actions, fragments
from studio.ui.kit.numbers import brief_duration, moment

EVALUATE, CANCEL = "evaluate", "cancel"

UNASKED = "Every run is evaluated at its end, without being asked, on rows that it never learned from."
ASKED = "A run is evaluated when you ask for it, on rows that it never learned from."
SOURCES = {
    "written": ("As written", "What each model writes, read as a label. Anything else counts as another answer."),
    "likelihood": ("By likelihood", "The label that each model finds likeliest, whatever it would write."),
}
OTHER = "another answer"
STANDARD = "The questions that models are compared by in public, put as lm-evaluation-harness puts them."


def status(tab_state: TabState) -> Markup:
    """Say how far the evaluation is, with what can be done about it."""
    if tab_state.run is None or tab_state.state is None:
        return fragments.empty(
            "No finished run yet",
            "Train a run first. How it does beside its base model, and what it forgot, stands here.",
        )
    state, name = tab_state.state, tab_state.selection.name
    if state.status == "working":
        return _working(state, name, has_report=tab_state.report is not None)
    if state.status == "failed" and state.failed is not None:
        again = _again(tab_state.run.id) if name == AT_THE_END else ""
        once_more = " To try again, bring the file once more." if name.startswith(OF_A_FILE) else ""
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
    old = fragments.line("quiet", "What stands below is the report before this one.") if has_report else ""
    cancel = actions.button("Stop the evaluation", CANCEL, key=name, kind="stop", once=True)
    return fragments.stack(
        [said, fragments.bar(far, name="Progress of the evaluation"), plan, fragments.buttons(cancel), old]
    )


def _waiting(run: Summary, state: EvaluationState, name: str) -> Markup:
    title = "Still training" if run.is_at_work else "Waiting for its turn" if run.place else "About to be evaluated"
    leave = actions.button("Do not evaluate it", CANCEL, key=name, once=True)
    return fragments.stack([fragments.empty(title, state.sentence), fragments.buttons(leave)])


def _none(run: Summary, state: EvaluationState) -> Markup:
    if run.is_at_work:
        return fragments.empty("Still training", "It can be evaluated when it ends.")
    if not run.has_result:
        return fragments.empty(
            "Nothing to evaluate", "This run left no result. Let one finish, or go on with this one."
        )
    if state.status == "nothing":
        return fragments.empty(
            "Nothing to evaluate on",
            "No row of this run was held out. Under “Evaluate again”, bring a file of examples that it never saw.",
        )
    stopped = "stopped" in state.sentence
    said = state.sentence if stopped else "This run was not evaluated at its end."
    now = actions.button("Evaluate it now", EVALUATE, key=run.id, kind="primary", once=True)
    return fragments.stack([fragments.empty("Not evaluated yet", said), fragments.buttons(now)])


def _again(run_id: str) -> Markup:
    return fragments.buttons(actions.button("Try again", EVALUATE, key=run_id, kind="primary", once=True))


def made(report: EvaluationReport) -> str:
    """Say when, on what and in what time a report was made."""
    what = "held-out rows" if report.data == HELD_OUT else f"rows of {report.data}"
    took = f"{brief_duration(report.seconds)} on {report.device}, {report.precision}"
    return f"Evaluated {moment(report.created)} on {report.rows:,} of {report.rows_available:,} {what}, in {took}."


def headline(report: EvaluationReport | None) -> Markup:
    """Say in a sentence what came of the training."""
    return Markup("") if report is None else Markup('<p class="ls-headline">{}</p>').format(report.headline)


def scores(report: EvaluationReport) -> Markup:
    """Draw the figures, with what the small numbers mean."""
    note = "The small numbers are 95 % intervals, from drawing the rows again many times (bootstrap)."
    remarks = [fragments.line("quiet", text) for text in (note, _more_rows(report), *report.remarks) if text]
    return fragments.stack([figures.table(report.figures, main=report.main, name="Scores on the task"), *remarks])


def _more_rows(report: EvaluationReport) -> str:
    """Say how the rows that were not asked can be, where there are some."""
    if report.rows + report.rows_left_out >= report.rows_available:
        return ""
    return (
        f"{report.rows:,} of {report.rows_available:,} rows were asked. Under “Evaluate again” all of them, or another "
        "number, can be."
    )


def forgetting(found: Forgetting | None) -> Markup:
    """Say what the training cost in general ability, with what the two probes are made of."""
    if found is None:
        return fragments.empty(
            "Not looked at", "This evaluation left the probes out. Evaluate again with them to see what was forgotten."
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
    said = Markup('<p class="ls-headline">{}</p>').format(found.sentence)
    table = figures.table((found.knowledge, found.language), name="General ability")
    return fragments.stack([said, table, *details])


def standard(report: EvaluationReport) -> Markup:
    """Draw how both models did in the standard tasks, with what the figures are."""
    note = (
        "In brackets how the harness calls the score. Questions that need no knowledge of the data show what was kept."
    )
    table = figures.table(report.standard, name="Standard tasks")
    return fragments.stack([table, fragments.line("quiet", note)])


def tasks_missing() -> Markup:
    """Say what it takes to have standard tasks."""
    return Markup('<p class="ls-line ls-quiet">{} {}</p>').format(
        "Standard tasks (HellaSwag, MMLU and others) are asked by lm-evaluation-harness, which is not installed here.",
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
    return fragments.render("evaluate/confusion.html", title=title, text=text, columns=columns, both=both)
