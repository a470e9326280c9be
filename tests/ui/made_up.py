"""Made-up evaluations, written where a worker would write them: three labels, thirty rows, two probes."""

from dataclasses import replace

from studio.jobs.evaluation_report import (
    AT_THE_END,
    HELD_OUT,
    Confusion,
    Estimate,
    EvaluationReport,
    Figure,
    Forgetting,
    Part,
    ScoredRow,
    write_evaluation,
)
from studio.runs.store import RunFolder

LABELS = ("billing", "delivery & returns", "<b>technical</b>")


def around(value: float, width: float) -> Estimate:
    """Return an estimate whose interval is as wide on both sides."""
    return Estimate(value, value - width, value + width)


def figure(
    name: str,
    title: str,
    unit: str,
    *,
    base: float,
    tuned: float,
    p_value: float,
    higher_is_better: bool = True,
    rows: int = 30,
) -> Figure:
    """Return a figure whose intervals are a tenth of its values wide."""
    return Figure(
        name,
        title,
        unit,
        higher_is_better,
        rows,
        tuned=around(tuned, tuned / 10),
        base=around(base, base / 10),
        change=around(tuned - base, (base + tuned) / 10),
        p_value=p_value,
    )


def forgetting(*, knowledge: float = 0.40, language: float = 3.14) -> Forgetting:
    """Return what two probes say: 41 % and a loss of 3.08 for the base."""
    return Forgetting(
        knowledge=figure("knowledge", "General knowledge", "share", base=0.41, tuned=knowledge, p_value=0.62, rows=312),
        language=figure(
            "language",
            "General language",
            "loss",
            base=3.08,
            tuned=language,
            p_value=0.0004,
            higher_is_better=False,
            rows=204,
        ),
        subjects=(Part("Astronomy", 26, 0.46, 0.42), Part("Cooking <i>", 26, 0.38, 0.42), Part("Law", 26, 0.5, 0.31)),
        genres=(Part("Letters", 34, 3.0, 3.02), Part("News", 34, 2.9, 3.1)),
    )


def report(run: RunFolder, *, name: str = AT_THE_END, accuracy: float = 0.9, data: str = HELD_OUT) -> EvaluationReport:
    """Return the report of a run on thirty rows of three labels."""
    return EvaluationReport(
        name=name,
        run_id=run.id,
        run_name=run.name,
        model=run.config.model,
        method=run.config.method,
        dataset_id=run.origin.dataset_id,
        dataset_name=run.origin.dataset_name,
        dataset_sha256=run.origin.dataset_sha256,
        data=data,
        data_sha256="5eed" * 16,
        rows=30,
        rows_available=36,
        task="labels",
        main="accuracy",
        figures=(
            figure("loss", "Loss", "loss", base=2.4, tuned=0.35, p_value=0.0001, higher_is_better=False),
            figure("accuracy", "Accuracy", "share", base=0.4, tuned=accuracy, p_value=0.0002),
            figure("macro-f1", "Macro F1", "score", base=35.0, tuned=88.0, p_value=0.03),
            Figure("valid", "Valid answers", "share", True, 30, tuned=around(1.0, 0.0)),
        ),
        confusions=(
            Confusion(
                "written",
                LABELS,
                base=((4, 3, 2, 1), (2, 4, 3, 1), (1, 2, 4, 3)),
                tuned=((9, 1, 0, 0), (0, 9, 1, 0), (0, 1, 9, 0)),
            ),
            Confusion(
                "likelihood",
                LABELS,
                base=((5, 3, 2, 0), (2, 5, 3, 0), (2, 3, 5, 0)),
                tuned=((10, 0, 0, 0), (0, 9, 1, 0), (0, 0, 10, 0)),
            ),
        ),
        forgetting=forgetting(),
        created=1_800_000_500.0,
        seconds=74.0,
        device="cpu",
        precision="fp32",
        seed=42,
        versions=(("torch", "2.9.0"), ("transformers", "5.0")),
    )


def rows(count: int = 30) -> tuple[ScoredRow, ...]:
    """Return rows of which every tenth is wrong and every second changed."""
    return tuple(
        ScoredRow(
            number=number,
            prompt=f"Which team takes ticket {number}? <script>alert({number})</script>",
            expected=LABELS[number % 3],
            base="I am not sure, it may be several." if number % 2 else LABELS[number % 3],
            tuned=LABELS[(number + 1) % 3] if number % 10 == 0 else LABELS[number % 3],
            base_score=0.0 if number % 2 else 1.0,
            tuned_score=0.0 if number % 10 == 0 else 1.0,
            base_loss=2.0 + number / 100,
            tuned_loss=0.2 + number / 100,
        )
        for number in range(count)
    )


def write(run: RunFolder, found: EvaluationReport | None = None, count: int = 30) -> EvaluationReport:
    """Write a report with its rows into the run's folder."""
    made = found or report(run)
    write_evaluation(run, replace(made, run_id=run.id), rows(count))
    return made
