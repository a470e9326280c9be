"""`python app.py demo`: the whole path on a bundled sample, with nothing to fill in."""

from rich.console import Console
from rich.table import Table

from studio.cli.evaluate import evaluate_at_end
from studio.cli.follow import RunFailed, follow
from studio.compare.chat_protocol import BASE, Answered, Open, PaneRequest, Token, Trouble
from studio.config import RunConfig
from studio.data.examples import Message
from studio.jobs.exports import ONE_FILE, export_archive, export_state, kinds_of
from studio.jobs.tasks import Export
from studio.runs.precision import precision_of
from studio.studio import Studio

SAMPLE = "lighthouse_voice"
CONFIG = RunConfig(name="demo", epochs=2)
PROMPTS = (
    "How do I keep bread fresh for longer?",
    "I cannot sleep before my exam tomorrow.",
    "Why is the sky blue?",
)
ANSWER_TOKENS = 60


def demo(studio: Studio, *, console: Console) -> int:
    """Train on a sample, show both answers side by side, export and check. Raises RunFailed when a part fails."""
    dataset = studio.data.add_sample(SAMPLE)
    console.print(f"Data: {dataset.name}, {dataset.inspection.usable} examples", markup=False)
    run = studio.start_run(CONFIG, dataset.id)
    state = follow(studio, run.id, console=console)
    console.print(state.headline, markup=False, soft_wrap=True)
    if state.status == "stopped":
        console.print(f"run: {run.path}", markup=False, soft_wrap=True)
        return 0

    table = Table("prompt", "base", "tuned", show_lines=True)
    for prompt in PROMPTS:
        with console.status(f"Asking both: {prompt}"):
            table.add_row(prompt, *answers(studio, run_id=run.id, prompt=prompt))
    console.print(table)
    studio.chat.close()
    evaluate_at_end(studio, run.id, console=console)

    for kind in (each for each in kinds_of(run) if each not in ONE_FILE):
        with console.status(f"Exporting: {kind}"):
            _export(studio, run_id=run.id, kind=kind, console=console)
    console.print(f"run: {run.path}", markup=False, soft_wrap=True)
    return 0


def answers(studio: Studio, *, run_id: str, prompt: str) -> tuple[str, str]:
    """Ask base and tuned model the same question, greedily, in one batch."""
    run = studio.runs.get(run_id)
    base = Open(model=run.config.model, bits=run.config.base_bits, precision=precision_of(run))
    messages = (Message("user", prompt),)
    panes = (PaneRequest(BASE, messages), PaneRequest(str(run.result), messages))
    texts = ["", ""]
    for said in studio.chat.ask(base, panes, temperature=0.0, top_p=1.0, max_new_tokens=ANSWER_TOKENS, seed=0):
        if isinstance(said, Token):
            texts[said.pane] += said.text
        elif isinstance(said, Answered) and said.ended == "length":
            texts[said.pane] += " ..."
        elif isinstance(said, Trouble):
            raise RunFailed(said.message, said.hint)
    return texts[0].strip(), texts[1].strip()


def _export(studio: Studio, *, run_id: str, kind: str, console: Console) -> None:
    run = studio.runs.get(run_id)
    studio.start_export(run.id, kind)
    studio.jobs.wait(Export(run.path, kind))
    state = export_state(studio.jobs, run, kind)
    if state.result is None:
        hint = state.failed.hint if state.failed else ""
        raise RunFailed(f"The export '{kind}' failed: {state.sentence}", hint)
    report = state.result
    archive = export_archive(run, kind)
    console.print(
        f"{kind}: {archive} ({report.archive_bytes / 2**20:.1f} MB), loaded back: "
        f"largest difference in the logits {report.largest_difference:.1e} (allowed {report.tolerance:.1e}), "
        f"{report.same_answers} of {report.answers} answers the same",
        markup=False,
        soft_wrap=True,
    )
