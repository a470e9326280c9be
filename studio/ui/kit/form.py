"""The settings of a run as form controls, and back: both made from the fields of `RunConfig`.

Labels, help, limits and choices are never typed here.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from studio.config import (
    ADAPTER_SHAPE,
    CHOSEN,
    DRAWN_BY,
    FULL,
    Problem,
    RunConfig,
    Setting,
    problems,
    setting_named,
    settings,
)
from studio.ui.kit.components import picker, unchecked

FIRST = ("model", "method", "place", "nodes", "name")
"""What is asked of everybody."""

THIS_MACHINE = ("This machine", "")
"""What is offered beside the places where a run can train."""

HELD_OUT = DRAWN_BY
"""What stands on the Data tab, beside the examples that it is about."""

ADAPTER = (
    "rank",
    "alpha",
    "targets",
    "chosen_modules",
    "start_adapter",
    "dropout",
    "initialisation",
    "rslora",
    "dora",
    "train_embeddings",
    "other_base",
)

GROUPS = (
    ("Training", ("epochs", "learning_rate", "batch_size", "max_length", "overlong")),
    ("Adapter", ADAPTER),
    ("Optimiser", ("optimizer", "schedule", "warmup_share", "weight_decay", "lora_plus_ratio")),
    ("Early stopping", ("early_stopping", "patience", "smallest_gain")),
    ("Answers to watch", ("sample_prompts",)),
    ("Machine", ("precision", "checkpointing", "micro_batch_tokens", "data_parallel")),
)
"""What stands behind "Advanced", under these headings."""

ADVANCED = tuple(name for _, names in GROUPS for name in names)

ADAPTER_ONLY = ("lora_plus_ratio", *ADAPTER)
"""What says nothing where every weight is trained."""

LINES = ("sample_prompts",)
"""What is a list of texts, one a line."""

TERMINAL_ONLY = ("switched_off",)
"""What only the command line offers: it serves those who measure the engine."""

START_NEW = ("Start new", "")
"""What is offered beside the runs that can be continued from."""

CHOICE_LABELS = {
    "lora": "LoRA",
    "qlora": "QLoRA (4-bit)",
    "qlora-8bit": "QLoRA (8-bit)",
    "full": "Full fine-tuning",
    "standard": "Standard",
    "gaussian": "Gaussian",
    "orthogonal": "Orthogonal",
    "pissa": "PiSSA",
    "olora": "OLoRA",
    "adamw": "AdamW",
    "adamw-8bit": "AdamW, 8-bit",
    "paged-adamw-8bit": "AdamW, 8-bit and paged",
    "on": "On",
    "off": "Off",
    "all-linear": "All linear layers",
    "attention": "Attention only",
    "chosen": "Chosen modules",
    "cosine": "Cosine",
    "linear": "Linear",
    "constant": "Constant",
    "auto": "Auto",
    "leave-out": "Skip",
    "cut": "Shorten",
}


def control(name: str) -> gr.components.Component:
    """Make the control of one setting, with its label, its sentence and its default."""
    each = setting_named(name)
    look: dict[str, Any] = {"label": each.label, "info": each.help, "elem_id": f"setting-{name.replace('_', '-')}"}
    if name == "start_adapter":
        return unchecked(gr.Dropdown)([START_NEW], value="", visible=False, **look)
    if name == "place":
        return unchecked(gr.Dropdown)([THIS_MACHINE], value="", visible=False, **look)
    if name == "nodes":
        return unchecked(gr.Radio)([each.default], value=each.default, visible=False, **look)
    if each.kind is bool:
        return gr.Checkbox(value=each.default, **look)
    if each.choices:
        labelled = [(CHOICE_LABELS.get(choice, choice), choice) for choice in each.choices]
        # Gradio repeats a value that it does not know in its message, and the page takes that for HTML.
        return unchecked(gr.Radio)(labelled, value=each.default, **look)
    if name in LINES:
        return gr.Textbox(value=shown(name, each.default), lines=3, max_lines=8, placeholder="One a line", **look)
    if each.kind is tuple:
        return picker(multiselect=True, visible=False, **look)
    if each.kind is str:
        return gr.Textbox(value=each.default, max_lines=1, **look)
    if _is_share(each):
        # Its own check has no sentence for a field that was emptied.
        return unchecked(gr.Slider)(each.low or 0.0, each.high or 1.0, value=each.default, step=_step(each), **look)
    # Limits and whole numbers are left to `config.problems`: the browser's own limits would interrupt a person who is
    # still typing, and Gradio would round 1.5 without a word.
    return gr.Number(value=each.default, **look)


def shown(name: str, value: Any) -> Any:
    """Return the value of a setting as its control holds it."""
    return "\n".join(value) if name in LINES else list(value) if isinstance(value, tuple) else value


def _step(each: Setting) -> float:
    """Return how finely a share is chosen: in hundredths, or as finely as its default asks."""
    return 0.01 if round(each.default * 100, 9).is_integer() else 0.005


def _is_share(each: Setting) -> bool:
    return each.kind is float and each.low == 0.0 and each.high is not None and each.high <= 1.0


def read_config(values: Mapping[str, Any]) -> RunConfig:
    """Build the settings from what the controls hold. What cannot be right is left for `config.problems` to name."""
    return RunConfig(**{each.name: _typed(each, values[each.name]) for each in settings() if each.name in values})


def _typed(each: Setting, value: Any) -> Any:
    if each.kind is str:
        return (value or "").strip()
    if each.name in LINES and isinstance(value, str):
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    if each.kind is tuple:
        return tuple(value or ())
    if each.kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if each.kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def check_form(**values: Any) -> list[dict[str, Any]]:
    """Return a verdict for each control in its order, for Gradio's inline validation. Other inputs pass."""
    found: dict[str, Problem] = {}
    for problem in problems(read_config(values)):
        found.setdefault(problem.field, problem)
    return [gr.validate(name not in found, found[name].text if name in found else "") for name in values]


def changed(config: RunConfig, names: Iterable[str] = ADVANCED, *, usual: Mapping[str, object] | None = None) -> int:
    """Count the settings that are neither at their default nor at what `usual` has in its place."""
    expected = usual or {}
    return sum(getattr(config, name) != expected.get(name, setting_named(name).default) for name in names)


def applies(name: str, config: RunConfig, *, devices: int | None = None) -> bool:
    """Say whether a setting means something beside the others. `devices` is how many GPUs there are, where known.

    What does not but is at fault applies all the same: it could not be corrected otherwise.
    """
    if any(problem.field == name for problem in problems(config)):
        return True
    if config.start_adapter and name in ADAPTER_SHAPE:
        return False
    if name == "other_base" and not config.start_adapter:
        return False
    if name == "chosen_modules" and config.targets != CHOSEN:
        return False
    if name in ("patience", "smallest_gain") and not config.early_stopping:
        return False
    if name == "data_parallel":
        return config.data_parallel or devices is None or devices > 1
    if name == "dora" and config.base_bits == 8:
        return False
    return config.method != FULL or name not in ADAPTER_ONLY
