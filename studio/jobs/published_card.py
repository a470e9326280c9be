"""The model card that is published with an export: made from the facts of the run, and of nothing else."""

import re
from dataclasses import dataclass
from pathlib import Path

from studio.config import FULL
from studio.data.example_files import ExampleFile
from studio.errors import DataError
from studio.jobs.evaluation_report import AT_THE_END, EvaluationReport, read_report
from studio.jobs.exports import ADAPTER, GGUF_ADAPTER, GGUF_KINDS, MERGED, export_archive
from studio.jobs.model_card import is_of_hub, note_of, same_answers, steps_of, table_of, what_it_is
from studio.jobs.snippets import base_name, snippet
from studio.jobs.verdicts import summary, told_with_interval
from studio.models.front_matter import ADAPTER_OF, FINETUNE_OF, QUANTISED_FROM, Facts, Score, front_matter
from studio.models.licences import Licence
from studio.runs.store import RunFolder
from studio.wording import counted

_HUB_DATA = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+) \([^()]*\)", re.ASCII)
"""How data from the Hub is called by itself: its id, and which part of it."""

_OUT_OF_PLACE = re.compile(r"[\s|`<>]+")


@dataclass(frozen=True)
class CardOrder:
    """What a card is asked for: of which export, for which repository, under which licence; `base` is where the base
    lies, None where it is not here."""

    kind: str
    repository: str
    licence: Licence
    base: Path | None = None


def published_card(run: RunFolder, order: CardOrder) -> str:
    """Write the card of an export. Raises RunError for a damaged run."""
    report = read_report(run, AT_THE_END)
    parts = [
        f"# {_plain(run.name)}",
        f"{_what(run, order.kind)}, made with LoRA Studio.",
        table_of(run, steps=steps_of(run), base=order.base),
        note_of(run.config, ADAPTER if order.kind in (ADAPTER, GGUF_ADAPTER) else MERGED, order.base).strip(),
        "## Use it",
        _use(run, order),
        "## What it learned from",
        _data(run),
        "## How good it is",
        *_scores(report),
        "## What it forgot",
        _forgotten(report),
        "## What it is not good for",
        *_limits(run, report),
        "## Licence",
        _licence(order.licence, run),
    ]
    body = "\n\n".join(part for part in parts if part)
    return f"{front_matter(_facts(run, order, report))}\n{body}\n"


def _facts(run: RunFolder, order: CardOrder, report: EvaluationReport | None) -> Facts:
    relation = {ADAPTER: ADAPTER_OF, GGUF_ADAPTER: ADAPTER_OF, MERGED: FINETUNE_OF}.get(order.kind, QUANTISED_FROM)
    found = _HUB_DATA.fullmatch(run.origin.dataset_name)
    is_gguf = order.kind in (*GGUF_KINDS, GGUF_ADAPTER)
    how = "full-fine-tuning" if run.config.method == FULL else "lora"
    library = "" if is_gguf else "peft" if order.kind == ADAPTER else "transformers"
    data = "the held-out rows" if report is None else f"held-out rows of {_plain(report.dataset_name)}"
    return Facts(
        name=_plain(run.name),
        licence=order.licence,
        relation=relation,
        library=library,
        base=base_name(run) if is_of_hub(run.config) else "",
        datasets=(found[1],) if found else (),
        tags=(how, "lora-studio", *(("gguf", "llama-cpp") if is_gguf else ())),
        scores=()
        if report is None
        else tuple(
            Score(metric=each.name, title=each.title, value=each.tuned.value, data=data, rows=each.rows)
            for each in report.figures
        ),
    )


def _what(run: RunFolder, kind: str) -> str:
    if kind == GGUF_ADAPTER:
        return f"{what_it_is(run, ADAPTER)} as a GGUF"
    return f"{what_it_is(run, MERGED)} as a GGUF" if kind in GGUF_KINDS else what_it_is(run, kind)


def _use(run: RunFolder, order: CardOrder) -> str:
    if order.kind in GGUF_KINDS:
        lines = f"llama-server -hf {order.repository} --jinja\n\nollama run hf.co/{order.repository}"
        return f"With llama.cpp or Ollama:\n\n```shell\n{lines}\n```"
    if order.kind == GGUF_ADAPTER:
        file = export_archive(run, order.kind).name
        base = f"With llama.cpp, beside a GGUF of {base_name(run)} in 16 bits (`base.gguf` here):"
        return f"{base}\n\n```shell\nllama-server -m base.gguf --lora {file} --jinja\n```"
    code = snippet(run, order.kind, repository=order.repository)
    return f"{same_answers(run, order.kind)}\n\n```python\n{code}```"


def _data(run: RunFolder) -> str:
    """Say what was learned from, by name, size and hash. No row is shown."""
    origin = run.origin
    if run.is_blend:
        return "It was merged from other adapters and learned from no data of its own."
    learned, kept = (_count(path) for path in (run.train_path, run.validation_path))
    return (
        f"{_plain(origin.dataset_name)}: {counted(learned, 'example')} learned, {counted(kept, 'example')} held out, "
        f"sha256 `{origin.dataset_sha256}`. The rows are not in this repository."
    )


def _count(path: Path) -> int:
    try:
        return len(ExampleFile(path))
    except DataError:
        return 0


def _scores(report: EvaluationReport | None) -> list[str]:
    if report is None:
        return ["Nobody has measured that: this run was not evaluated."]
    rows = []
    for each in report.figures:
        base, tuned = (told_with_interval(each, found) for found in (each.base, each.tuned))
        rows.append(f"| {each.title} | {base} | {tuned} | {each.rows:,} | {each.verdict} |")
    table = "\n".join(["| score | base | this model | rows | |", "|---|---|---|---|---|", *rows])
    intervals = "Behind a figure is its 95 % interval (bootstrap), where the rows are enough for one."
    found = summary(report)
    return [found.change.text, table, intervals, found.confidence.text, *found.cautions, *report.remarks]


def _forgotten(report: EvaluationReport | None) -> str:
    if report is None or report.forgetting is None:
        return "Nobody has measured what it cost in general ability."
    return summary(report).forgotten.text


def _limits(run: RunFolder, report: EvaluationReport | None) -> list[str]:
    """Say what it was not made for, as far as the run tells."""
    config = run.config
    found = [
        "Anything but the kind of question that it was trained on. What the base cannot do, it cannot do either.",
        "Decisions about people, and anything where a wrong answer does harm: nobody has looked whether it is safe.",
        f"Texts of more than {config.max_length:,} tokens: it learned from none.",
    ]
    learned = 0 if run.is_blend else _count(run.train_path)
    if 0 < learned < 100:
        found.append(f"Questions unlike its {counted(learned, 'example')}, which are few.")
    if report is None:
        found.append("Work that has to be reliable: it was not evaluated.")
    return ["\n".join(f"- {each}" for each in found)]


def _licence(licence: Licence, run: RunFolder) -> str:
    shown_as = f"[{licence.shown}]({licence.link})" if licence.link else licence.shown
    said = [f"{shown_as}, which is that of the base, {base_name(run)}."]
    said.append(licence.rule or "What it allows was not checked by the studio.")
    if licence.wants_its_name:
        said.append("Built with Llama.")
    return " ".join(said)


def _plain(text: str) -> str:
    """Return a name on one line, without what Markdown and HTML would take for their own."""
    return _OUT_OF_PLACE.sub(" ", text).strip()[:200] or "model"
