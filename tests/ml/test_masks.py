"""What the page colours as learned is what the loss sees, for every family of chat templates."""

from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml.batches import IGNORED, collate
from studio.workers.rows import rows_of
from tests.families import FAMILIES, write_family

EXAMPLES = (
    Example((Message("user", "Which button?"), Message("assistant", "The steep one: é 漢字 🤖.\n"))),
    Example(
        (
            Message("user", "\n\nAnd now?"),
            Message("assistant", "<think>\nhm\n</think>\n\nWait."),
            Message("user", "  And then?  "),
            Message("assistant", "Begin <|im_end|> again."),
        )
    ),
    Example((Message("user", "Why?"), Message("assistant", "So " * 60))),
    Example((Message(TEXT, "The keeper lit the lamp."),)),
)


@pytest.mark.parametrize("overlong", ["leave-out", "cut"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_pages_mask_is_the_labels_in_the_batch(name: str, overlong: str, tmp_path: Path) -> None:
    renderer = ChatRenderer.load(write_family(tmp_path / name, name))
    config = RunConfig(max_length=120, overlong=overlong)
    rows = list(rows_of(EXAMPLES, renderer=renderer, config=config))
    assert len(rows) == (4 if overlong == "cut" else 3)
    batch = collate(rows, packed=True)
    first_labels = {tuple(row.ids): row.labels[0] for row in rows}  # nothing comes before it, so it is never predicted
    labels_at = dict(zip(batch.places.tolist(), batch.targets.tolist(), strict=True))
    seen: dict[tuple[int, ...], list[int]] = {}
    begin = 0
    for length in batch.lengths:
        ids = tuple(batch.ids[0, begin : begin + length].tolist())
        seen[ids] = [first_labels[ids], *(labels_at.get(place, IGNORED) for place in range(begin, begin + length - 1))]
        begin += length
    for example in EXAMPLES:
        rendered = renderer.render(example)  # what the page draws, by way of `pieces`
        labels = seen.get(rendered.ids[:120])
        if labels is None:
            assert overlong == "leave-out"
            assert len(rendered.ids) > 120
            continue
        assert [label != IGNORED for label in labels] == list(rendered.learned[:120])
        assert all(label in (id, IGNORED) for id, label in zip(rendered.ids, labels, strict=False))
        coloured = "".join(piece.text for piece in renderer.pieces(rendered) if piece.learned)
        if len(rendered.ids) <= 120:
            learned = [label for label in labels if label != IGNORED]
            assert _squeezed(renderer.decode(learned)) == _squeezed(_without_specials(coloured, name))
    assert batch.learned == sum(row.learned for row in rows)


def _without_specials(text: str, name: str) -> str:
    family = FAMILIES[name]
    for token in filter(None, (family.closing, family.bos, family.eos, *family.others)):
        text = text.replace(token, " ")
    return text


def _squeezed(text: str) -> str:
    return "".join(text.split())
