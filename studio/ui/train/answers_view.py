"""How the answers change while a model learns: the same few prompts again and again, beside the answers at the start.

Writes each check as markup and says how the browser turns the pages: the slider is its own, for it changes nothing but
the view.
"""

import gradio as gr
from markupsafe import Markup

from studio.events import Sampled
from studio.runs.scheduler import RunState
from studio.runs.view import ENDED
from studio.ui.compare.answer_differences import marked
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import html


def answers_view(elem_id: str) -> gr.HTML:
    """Make the view; its value is what `payload` writes."""
    template = fragments.render("train/answers_view.html")
    return html(nothing(), elem_id=elem_id, template=template, on_load=scripts.on_load("answers"))


def nothing() -> str:
    """Write the value while there is no run."""
    return _value("", [], "No answers yet", "What the model answers while it learns shows here once there is a run.")


def payload(state: RunState) -> str:
    """Write what the browser shows: a page for each check, or why there is none."""
    samples = state.view.samples
    steps = sorted({sample.step for sample in samples})
    first = [sample for sample in samples if sample.step == steps[0]] if steps else []
    further_on = bool(state.run.config.start_adapter)
    before = first_heading(steps[0], goes_on=further_on) if steps else ""
    pages = [
        (_name(step, state), str(_page(before, first, step, [each for each in samples if each.step == step])))
        for step in steps[1:]
    ]
    if steps and not pages:
        pages = [(before, str(_page(before, first, None, [])))]
    return _value(state.run.id, pages, *_why_none(state), first=_shown_first(steps[1:], state))


def first_heading(step: int, *, goes_on: bool) -> str:
    """Say whose answer stands on the left. `goes_on` is for a run that began with an adapter of another."""
    if step:
        return f"After step {step:,}"
    return "At its start" if goes_on else "The base model"


def _name(step: int, state: RunState) -> str:
    finished = state.view.finished
    is_kept = finished is not None and finished.kept_step == step
    return f"After step {step:,}{', which is kept' if is_kept else ''}"


def _shown_first(steps: list[int], state: RunState) -> int:
    """Return the place of the page that stands there unless a person turns it: that of what is kept, or the newest."""
    kept = state.view.kept_step
    return max((place for place, step in enumerate(steps) if step <= kept), default=0)


def _value(run: str, pages: list[tuple[str, str]], title: str, text: str, *, first: int = 0) -> str:
    document = {
        "run": run,
        "first": first,
        "names": [name for name, _ in pages],
        "pages": [page for _, page in pages],
        "empty": str(Markup("<strong>{}</strong><span>{}</span>").format(title, text)),
    }
    return scripts.written(document)


def _why_none(state: RunState) -> tuple[str, str]:
    if state.status not in ENDED:
        return (
            "No answers yet",
            "The first come before step 1, then more while it learns. They need held-out examples, or prompts of your "
            "own.",
        )
    return (
        "This run has no answers to show",
        "It ended before the first check, or it had neither held-out examples nor prompts of your own.",
    )


def _page(before: str, first: list[Sampled], step: int | None, now: list[Sampled]) -> Markup:
    """Show one check; without a step, what was said before the first one."""
    answers = {sample.number: sample.answer for sample in now}
    return fragments.stack(
        _asked(before, each, None if step is None else (f"After step {step:,}", answers.get(each.number)))
        for each in first
    )


def _asked(before: str, first: Sampled, later: tuple[str, str | None] | None) -> Markup:
    answers = _answer(before, fragments.own(first.answer) if first.answer else Markup("(nothing)"))
    if later is not None:
        title, answer = later
        text = Markup("(not asked)") if answer is None else fragments.own(marked(first.answer, answer))
        answers += _answer(title, text, note="the same" if answer == first.answer else "")
    if first.expected:
        answers += _answer("Your answer", fragments.own(first.expected))
    return Markup(
        '<section class="ls-asked"><h3 translate="no">{}</h3><div class="ls-asked-answers">{}</div></section>'
    ).format(first.prompt, answers)


def _answer(title: str, text: Markup, *, note: str = "") -> Markup:
    beside = Markup(" <em>{}</em>").format(note) if note else ""
    return Markup("<div><h4>{}{}</h4><p>{}</p></div>").format(title, beside, text)
