"""The card beside the form: what will happen when Start is pressed, or what is missing before it can be.

Functions from plain values to markup and sentences.
"""

from markupsafe import Markup

from studio import config
from studio.config import RunConfig
from studio.data.dataset_folders import Dataset
from studio.errors import StudioError
from studio.jobs.base_models import ModelState
from studio.models.catalog import KNOWN_MODELS
from studio.models.layout import select_modules, trainable_parameters
from studio.planning import fitting
from studio.planning.model_facts import ModelFacts
from studio.ui.configure.forecast_card import Learners
from studio.ui.kit import fragments
from studio.ui.kit.numbers import parameters
from studio.wording import counted, size

START = "Start training"

GATED = " Its licence must be accepted on its page on the Hub first, and HF_TOKEN be set."


def learners(facts: ModelFacts, settings: RunConfig) -> Learners:
    """Count the trainable parameters for these settings, from the headers of the model's files."""
    try:
        layout = facts.layout(settings.model)
        if layout is None:
            trouble = facts.where(settings.model).trouble
            return Learners(trouble=trouble or "Counted as soon as the model is on this machine.")
        if settings.method == config.FULL:
            return Learners(layout.parameters, layout.parameters)
        names = [layer.name for layer in layout.layers]
        modules = select_modules(names, targets=settings.targets, chosen=settings.chosen_modules)
        trainable = trainable_parameters(layout, modules, rank=settings.rank)
    except StudioError as error:
        return Learners(trouble=str(error))
    return Learners(trainable, layout.parameters + trainable, modules)


def start_label(dataset: Dataset | None, settings: RunConfig, state: ModelState) -> str:
    """Name what is missing, or say that the run can start."""
    if dataset is None:
        return "Choose a data set first"
    if not dataset.inspection.kind:
        return "Assign the columns of your data first"
    if dataset.inspection.verdict or not dataset.inspection.usable:
        return "Choose data with usable examples first"
    faults = config.problems(settings)
    if faults:
        label = config.setting_named(faults[0].field).label
        return f"Correct the {label[0].lower()}{label[1:]} first"
    if state.failed is not None:
        is_starter = settings.model == config.STARTER
        return "Download the starter model first" if is_starter else "Correct the base model first"
    return START


def can_start(dataset: Dataset | None, settings: RunConfig, state: ModelState) -> bool:
    """Say whether nothing is missing."""
    return start_label(dataset, settings, state) == START


def state_line(state: ModelState) -> Markup:
    """Say where the base model is."""
    if state.ready:
        return fragments.line("good", state.sentence)
    if state.failed is not None:
        return fragments.line("bad", f"{state.failed.message} {state.failed.hint}".strip())
    if state.total:
        progress = fragments.bar(state.done / state.total, name="Downloading the model")
        return fragments.stack([fragments.line("busy", arrival(state)), progress])
    return fragments.line("busy" if state.working else "quiet", arrival(state))


def model_line(model: str, state: ModelState) -> Markup:
    """Say where the base model is, and what is known of it."""
    known = [
        Markup('<p class="ls-note">{} parameters, licence {}. {}</p>').format(
            parameters(each.parameters), each.licence, each.note + (GATED if each.gated else "")
        )
        for each in KNOWN_MODELS
        if each.id == model
    ]
    return fragments.stack([*known, state_line(state)])


def arrival(state: ModelState) -> str:
    """Say how far a model is, with the amounts where they are known."""
    sentence = state.sentence.rstrip(".")
    if not state.total:
        return f"{sentence}."
    if state.unit == "bytes":
        return f"{sentence}: {size(state.done)} of {size(state.total)}."
    return f"{sentence}: {state.done:,} of {state.total:,}."


def faults(settings: RunConfig) -> Markup:
    """Name what is wrong with the settings; nothing when they are right."""
    return fragments.join(fragments.notice("warning", problem.text) for problem in config.problems(settings))


def plan(
    settings: RunConfig,
    dataset: Dataset | None,
    state: ModelState,
    *,
    parts: fitting.Parts | None,
    learned: Learners,
    held_out: Dataset | None = None,
    continues: str = "",
    at_work: str = "",
) -> Markup:
    """Say, step by step, what Start does with these settings.

    `held_out` is the data set that is held out in place of a share; `continues` names the run whose adapter is
    trained further, `at_work` the run that has to end first.
    """
    items = [_data_item(settings, dataset, parts, held_out), _model_item(settings, state)]
    if parts is not None and parts.train:
        items.append(_steps_item(settings, parts.train))
    items.append(_learning_item(settings, learned, continues))
    if at_work:
        items.append(_item("It waits for its turn", f"The run {at_work} is training. This one starts after it."))
    items.append(_item("You can leave", "Close the page whenever you like: the run goes on."))
    return Markup('<ul class="ls-plan">{}</ul>').format(fragments.join(items))


def _item(title: str, text: str, *, missing: bool = False) -> Markup:
    inner = Markup('<strong>{}</strong> <span class="ls-note">{}</span>').format(title, text)
    kind = "ls-missing" if missing else ""
    return Markup('<li class="{}"><i aria-hidden="true"></i><div>{}</div></li>').format(kind, inner)


def _data_item(
    settings: RunConfig, dataset: Dataset | None, parts: fitting.Parts | None, held_out: Dataset | None
) -> Markup:
    if dataset is None or parts is None:
        return _item("No data set yet", "Bring a file or take a sample on the Data tab.", missing=True)
    if dataset.inspection.verdict:
        return _item(dataset.name, f"{dataset.inspection.verdict} Do this on the Data tab.", missing=True)
    if not parts.train:
        limit = f"No example to learn from fits into {counted(settings.max_length, 'token')}."
        return _item(dataset.name, f"{limit} Set the longest example higher.", missing=True)
    aside = "none is" if not parts.held_out else "1 is" if parts.held_out == 1 else f"{parts.held_out:,} are"
    source = "" if held_out is None else f" from {held_out.name}"
    text = f"Learns from {counted(parts.train, 'example')}; {aside} held out{source} to check it."
    if parts.too_long:
        verb = "is" if parts.too_long == 1 else "are"
        text += f" {parts.too_long:,} {verb} skipped: {_why_skipped(settings)}."
    return _item(dataset.name, text)


def _why_skipped(settings: RunConfig) -> str:
    if settings.overlong == "cut":
        return "the model's chat template does not take them"
    return f"longer than {counted(settings.max_length, 'token')}"


def _model_item(settings: RunConfig, state: ModelState) -> Markup:
    name = "The starter model" if settings.model == config.STARTER else settings.model
    if state.failed is not None:
        return _item(name, "It is not on this machine, and cannot be used as it stands.", missing=True)
    arrival = "it is on this machine" if state.ready else "it is downloaded first, which may take minutes"
    if settings.method == config.FULL:
        return _item(name, f"{arrival[0].upper()}{arrival[1:]}. The original stays as it is: a copy is trained.")
    base = f"in {settings.base_bits} bits" if settings.base_bits else "as it is"
    return _item(name, f"Stays frozen, {base}; {arrival}.")


def _steps_item(settings: RunConfig, train: int) -> Markup:
    steps = settings.total_steps(train)
    times = "once" if settings.epochs == 1 else f"{settings.epochs} times"
    batch = counted(settings.batch_size, "example")
    return _item(f"About {counted(steps, 'step')}", f"Goes through the data {times}, {batch} a step.")


def _learning_item(settings: RunConfig, learned: Learners, continues: str) -> Markup:
    if settings.method == config.FULL:
        return _item("The whole model learns", "Every weight is trained, none is left as it was.")
    if settings.start_adapter:
        return _item(f"Continues from {continues or settings.start_adapter}", "Its adapter is trained further.")
    added = "Small added weights beside the model's layers: only these learn."
    if 0 < len(learned.modules) <= 8:
        added = f"Small added weights in {', '.join(learned.modules)}: only these learn."
    return _item(f"An adapter of rank {settings.rank}", added)
