"""The front matter of a model card, as the Hugging Face Hub reads it."""

from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from studio.models.licences import OTHER, Licence

ADAPTER_OF, FINETUNE_OF, QUANTISED_FROM = "adapter", "finetune", "quantized"
"""How a model stands to its base, in the words of the Hub."""

TASK = "text-generation"


@dataclass(frozen=True)
class Score:
    """One score of a model on a data set: `metric` is its short name, `title` how it is called."""

    metric: str
    title: str
    value: float
    data: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What stands in the front matter. `base` and `datasets` are ids on the Hub, empty where something has none."""

    name: str
    licence: Licence
    relation: str
    library: str = ""
    base: str = ""
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()


def front_matter(facts: Facts) -> str:
    """Write the front matter between its two lines."""
    is_other = facts.licence.id == OTHER or bool(facts.licence.name)
    others: dict[str, Any] = {"base_model_relation": facts.relation} if facts.base else {}
    data = ModelCardData(
        base_model=facts.base or None,
        datasets=list(facts.datasets) or None,
        eval_results=list(map(_result, facts.scores)) or None,
        library_name=facts.library or None,
        license=facts.licence.id,
        license_name=(facts.licence.name or None) if is_other else None,
        license_link=(facts.licence.link or None) if is_other else None,
        model_name=facts.name,
        pipeline_tag=TASK,
        tags=list(facts.tags),
        **others,
    )
    return f"---\n{data.to_yaml().strip()}\n---\n"


def read_front_matter(card: str) -> dict[str, object]:
    """Read the front matter of a card as the Hub does. Raises ValueError for one that it does not take."""
    data: Any = ModelCard(card, ignore_metadata_errors=False).data
    found: dict[str, object] = data.to_dict()
    return found


def _result(score: Score) -> EvalResult:
    return EvalResult(
        task_type=TASK,
        dataset_type="private",
        dataset_name=f"{score.data} ({score.rows} rows)",
        metric_type=score.metric,
        metric_name=score.title,
        metric_value=round(score.value, 4),
    )
