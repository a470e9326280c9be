"""One example of one data set for one model, drawn: what the Data tab shows at a moment.

Reads through `Reading`, so a second look costs nothing. Knows nothing of components.
"""

from dataclasses import dataclass

from studio.data.inspection import TokenStatistics
from studio.data.library import Dataset
from studio.errors import StudioError
from studio.runs.studio import Studio
from studio.ui import data_cards
from studio.ui.reading import Here, Reading


@dataclass(frozen=True)
class Drawing:
    """All that the tab shows of one data set."""

    verdict: str
    figures: str
    problems: str
    left_out: int
    preview: str
    position: str
    at_start: bool
    at_end: bool
    place: int


def draw(
    studio: Studio, reading: Reading, dataset_id: str | None, *, model: str, max_length: int, place: int
) -> Drawing:
    """Make all that the tab shows. A model that is not here yet gives plain bubbles and no token figures."""
    if not dataset_id:
        return Drawing(str(data_cards.nothing_yet()), "", "", 0, str(data_cards.no_preview()), "", True, True, 0)
    dataset = studio.datasets.get(dataset_id)
    examples = reading.examples(dataset_id)
    place = min(max(place, 0), len(examples) - 1)
    preview, tokens = _token_parts(reading, dataset, model=model, max_length=max_length, place=place)
    return Drawing(
        verdict=str(data_cards.verdict(dataset.inspection, tokens, max_length=max_length)),
        figures=str(data_cards.figures(dataset.inspection, tokens, max_length=max_length)),
        problems=str(data_cards.problems(dataset.inspection)),
        left_out=len(dataset.inspection.problems),
        preview=preview,
        position=f"Example {place + 1:,} of {len(examples):,} (row {examples[place].row:,} of the file)",
        at_start=place == 0,
        at_end=place == len(examples) - 1,
        place=place,
    )


def _token_parts(
    reading: Reading, dataset: Dataset, *, model: str, max_length: int, place: int
) -> tuple[str, TokenStatistics | None]:
    """Return the preview and the token statistics, exact where the model's tokenizer is here."""
    example = reading.examples(dataset.id)[place]
    here = where(reading, model)
    remark = here.trouble or "The exact view, token by token, appears here as soon as the model has arrived."
    if here.folder is not None:
        try:
            renderer = reading.renderer(here.folder)
            rendered = renderer.render(example.messages)
            tokens = reading.count(dataset.id, folder=here.folder, max_length=max_length)
            left_out = data_cards.too_long(len(rendered.ids), max_length=max_length)
            return str(data_cards.token_view(renderer.pieces(rendered), rendered.note, left_out=left_out)), tokens
        except StudioError as error:
            remark = str(error)
    return str(data_cards.bubbles(example, remark)), None


def where(reading: Reading, model: str) -> Here:
    """Look for a model; an empty name is no model, and not the folder that the server runs in."""
    return reading.where(model) if model else Here(None, "No base model is chosen. Choose one on the Configure tab.")
