"""How long the examples are and what that means for a run: tokens, what is too long, steps and time.

Functions from plain values to markup and sentences.
"""

from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import RunConfig
from studio.data.tokenizing.tokens import TokenStatistics
from studio.jobs.token_counts import TokenState
from studio.models.forecast.run_time import RunTime
from studio.planning.fitting import Parts
from studio.ui.configure.forecast_card import after_training, written_time
from studio.ui.kit import fragments
from studio.ui.kit.fragments import Tile
from studio.ui.kit.numbers import parameters, share
from studio.ui.kit.plot import Drawing, plot
from studio.wording import counted


def figures(tokens: TokenStatistics, *, max_length: int) -> Markup:
    """Show the numbers."""
    fits = f"over {max_length:,} tokens" if tokens.too_long else f"all fit into {max_length:,}"
    return fragments.tiles(
        [
            Tile("All tokens", parameters(tokens.total), "in all examples"),
            Tile("Learned", share(tokens.learned, tokens.total), "of all tokens"),
            Tile("Typical length", f"{tokens.median:,}", "tokens"),
            Tile("Longest", f"{tokens.longest:,}", "tokens"),
            Tile("Too long", f"{tokens.too_long:,}", fits),
        ]
    )


def waiting(state: TokenState) -> Markup:
    """Say how far the counting is, or why there is nothing to count with."""
    if state.status == "failed":
        return fragments.line("warning", state.sentence)
    if not state.working:
        return fragments.line("busy", state.sentence or "The tokens are counted as soon as the model has arrived.")
    at = (
        f"{state.sentence.rstrip('.')}: {state.done:,} of {counted(state.total, 'example')}"
        if state.total
        else state.sentence
    )
    return fragments.stack(
        [
            fragments.line("busy", f"{at.rstrip('.')}. You can go on meanwhile."),
            fragments.bar(state.done / state.total if state.total else None, name="Tokens counted"),
        ]
    )


def too_long(tokens: TokenStatistics, settings: RunConfig) -> Markup:
    """Say what becomes of the examples that are too long, and of those that the chat template refuses."""
    said = []
    if tokens.too_long:
        limit = counted(settings.max_length, "token")
        one = tokens.too_long == 1
        longer = f"{counted(tokens.too_long, 'example')} {'is' if one else 'are'} longer than {limit}"
        cut = _cut(tokens.answer_cut)
        if settings.overlong == "cut":
            said.append(fragments.notice("warning", f"{longer} and will be shortened.", cut))
        else:
            said.append(
                fragments.notice(
                    "warning", f"{longer} and will be skipped.", f"If they are shortened, {cut[0].lower()}{cut[1:]}"
                )
            )
    if tokens.refused:
        does = "does" if tokens.refused == 1 else "do"
        text = (
            f"{counted(tokens.refused, 'example')} {does} not fit into the model's chat template and will be skipped."
        )
        said.append(fragments.notice("warning", text))
    return fragments.stack(said) if said else Markup("")


def _cut(answers: int) -> str:
    if not answers:
        return "None of them would lose the end of its answer."
    if answers == 1:
        return "One of them would lose the end of its answer: the model would learn to break off."
    return f"{answers:,} of them would lose the end of their answer: the model would learn to break off."


def summary(tokens: TokenStatistics, *, max_length: int) -> str:
    """Say in a few words how long the examples are."""
    fits = f"{tokens.too_long:,} over {max_length:,}" if tokens.too_long else f"all fit into {max_length:,}"
    return f"typically {counted(tokens.median, 'token')}, {fits}"


def meaning(settings: RunConfig, parts: Parts, *, time: RunTime | None) -> Markup:
    """Say how many steps and how much time a run on these examples takes."""
    if not parts.train or settings.batch_size < 1 or settings.epochs < 1:
        return Markup("")
    steps = settings.total_steps(parts.train)
    times = "once" if settings.epochs == 1 else f"{settings.epochs} times"
    through = f"{times} through {counted(parts.train, 'example')}, {settings.batch_size:,} at a step"
    text = f"A run makes {counted(steps, 'step')}: {through}."
    if time is None:
        takes = "How long that takes is estimated as soon as the model is here and this machine is measured."
    else:
        later = after_training(time)
        takes = f"Training takes {written_time(time)} on this machine{', ' + later if later else ''}."
    return fragments.notice("quiet", text, takes)


def histogram(elem_id: str) -> gr.HTML:
    """Make the chart of how long the examples are, with the longest that a run takes as a line; see `bars`."""
    drawing = Drawing(
        name="How many examples have how many tokens",
        empty_title="No lengths yet",
        empty_text="They are counted with the base model's own tokenizer, as soon as it is on this machine.",
        script="histogram",
    )
    return plot(drawing, value=bars(None), elem_id=elem_id)


def bars(tokens: TokenStatistics | None, *, max_length: int = 0) -> dict[str, Any]:
    """Return what the histogram draws: `counts` examples from each of `lows` to below `highs` tokens."""
    buckets = tokens.histogram if tokens is not None else ()
    return {
        "lows": [bucket.low for bucket in buckets],
        "highs": [bucket.high for bucket in buckets],
        "counts": [bucket.count for bucket in buckets],
        "limit": max_length,
    }
