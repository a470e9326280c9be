"""Held-out examples: how many are kept aside, or another data set in their place, and what that means."""

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component
from markupsafe import Markup

from studio.data.checking.findings import Finding
from studio.data.dataset_folders import Dataset
from studio.data.splitting import Split
from studio.planning.fitting import Parts
from studio.studio import Studio
from studio.ui.data import findings
from studio.ui.kit import fragments
from studio.wording import counted

NONE = "Hold out some of this data set"


@dataclass(frozen=True)
class HeldOut:
    """What is held out: settings of the run by name, and the id of another data set, or nothing."""

    controls: Mapping[str, Component]
    other: gr.Dropdown


def choices(studio: Studio, dataset_id: str) -> list[tuple[str, str]]:
    """List the data sets that can be held out beside this one: every other that is ready."""
    root = studio.data.get(dataset_id).root if dataset_id else ""
    ready = [each for each in studio.data.families() if each.root != root and is_ready(each)]
    return [(NONE, ""), *((f"{each.name} · {counted(each.inspection.usable, 'example')}", each.id) for each in ready)]


def is_ready(dataset: Dataset) -> bool:
    """Say whether a data set holds anything that can be learned from."""
    return not dataset.inspection.verdict and dataset.inspection.usable > 0


def said(
    parts: Parts, other: Dataset | None, found: Finding | None, *, comparing: bool, split: Split | None = None
) -> Markup:
    """Say how many are held out, and what these have in common with what is learned."""
    lines: list[Markup] = []
    if other is not None:
        aside = f"{counted(parts.held_out, 'example')} of {other.name} for checking"
        lines.append(
            fragments.line("good", f"{aside}; all of this data set, {counted(parts.train, 'example')}, to learn from.")
        )
        if comparing:
            lines.append(fragments.line("busy", "The two are being compared: no example should be in both."))
        elif found is None:
            lines.append(fragments.line("good", "No example of it is among those that are learned."))
        else:
            lines.append(Markup('<ul class="ls-findings">{}</ul>').format(findings.finding(found)))
    elif parts.held_out:
        aside = f"{counted(parts.held_out, 'example')} held out, {counted(parts.train, 'example')} to learn from."
        lines.append(fragments.line("good", aside))
        lines += _on_questions(split)
    elif parts.train:
        lines.append(
            fragments.line(
                "warning",
                "No examples are held out, so nothing shows whether it learned more than the words.",
            )
        )
    return fragments.stack(lines) if lines else Markup("")


def _on_questions(split: Split | None) -> list[Markup]:
    """Say on which side examples are that ask the same."""
    if split is None or not split.repeated:
        return []
    if split.is_shared:
        text = (
            "Most examples have the same question, so held-out questions are also trained on. The scores show how well "
            "the model answers these questions, and not how well it answers new ones."
        )
        return [fragments.line("warning", text)]
    asked = f"{counted(split.repeated, 'question')} {'is' if split.repeated == 1 else 'are'} asked more than once"
    return [fragments.line("good", f"{asked}: examples with the same question are held out together.")]
