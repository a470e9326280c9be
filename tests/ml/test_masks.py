"""What the page colours as learned is what the loss sees, for every family of chat templates."""

from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml.batches import IGNORED, micro_batches
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
    batches = list(micro_batches(rows, token_budget=10_000, pad_id=0, device="cpu"))
    assert len(batches) == 1
    seen = {
        tuple(ids[mask.bool()].tolist()): labels[mask.bool()].tolist()
        for ids, mask, labels in zip(batches[0].ids, batches[0].mask, batches[0].labels, strict=True)
    }
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
    padding = ~batches[0].mask.bool()
    assert (batches[0].labels[padding] == IGNORED).all()


def _without_specials(text: str, name: str) -> str:
    family = FAMILIES[name]
    for token in filter(None, (family.closing, family.bos, family.eos, *family.others)):
        text = text.replace(token, " ")
    return text


def _squeezed(text: str) -> str:
    return "".join(text.split())
