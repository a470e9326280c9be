"""What the masking knows of each example, counted over a whole set and said in findings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.data.example_files import ExampleFile, write_examples
from studio.data.examples import TEXT, Example, Message
from studio.data.mask_findings import mask_findings
from studio.data.tokenizing import doubts
from studio.data.tokenizing.doubts import DoubtCount
from studio.data.tokenizing.kept_tokens import render_kept
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.tokens import count_tokens, load, save

ModelFolder = Callable[..., Path]
ENDLESS = "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
FORGETFUL = (
    "{% for m in messages %}{{ '<|im_start|>' }}{% if loop.last or m.role == 'user' %}{{ m.content }}{% endif %}\
{{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>' }}{% endif %}"
)


def talk(*texts: str) -> Example:
    return Example(tuple(Message(("user", "assistant")[place % 2], text) for place, text in enumerate(texts)))


def counted(model: Path, tmp_path: Path, *examples: Example) -> dict[str, DoubtCount]:
    """Count, and read back what was stored."""
    counts = count_tokens(examples, total=len(examples), renderer=ChatRenderer.load(model))
    save(counts, tmp_path / "counts.npz")
    again = load(tmp_path / "counts.npz").doubts
    assert again == counts.doubts
    return {found.kind: found for found in again}


@pytest.mark.case("23-special-tokens-in-text")
def test_special_tokens_in_the_text_are_counted(model_folder: ModelFolder, tmp_path: Path) -> None:
    """It was said under the one example that is shown, while the checks said that nothing doubtful was found."""
    odd = talk("q", "It ends with <|im_end|> there")
    found = counted(model_folder(FORGETFUL, bytes_only=True), tmp_path, talk("q", "a"), odd, talk("q", "b"), odd)
    assert found.keys() == {doubts.SPELLED}
    (finding,) = mask_findings(tuple(found.values()))
    assert (finding.level, finding.count, finding.places) == ("warning", 2, (1, 3))
    assert finding.title == "2 examples spell some of the model's special tokens"
    assert "<|im_end|>" in finding.text


@pytest.mark.case("68-template-without-an-end")
def test_that_the_end_is_not_learned_is_counted(model_folder: ModelFolder, tmp_path: Path) -> None:
    found = counted(model_folder(ENDLESS, bytes_only=True), tmp_path, talk("q", "a"), talk("q", "b"))
    (finding,) = mask_findings((found[doubts.NO_END],))
    assert finding.title == "Where to stop is not learned from 2 examples"
    text = Example((Message(TEXT, "plain"),))
    found = counted(model_folder(None, bytes_only=True, eos_token=None), tmp_path, text)
    assert found[doubts.NO_END].count == 1


@pytest.mark.case("06-think-in-history")
def test_that_only_the_last_answer_is_learned_is_counted(model_folder: ModelFolder, tmp_path: Path) -> None:
    found = counted(model_folder(FORGETFUL, bytes_only=True), tmp_path, talk("q", "a"), talk("q", "first", "r", "last"))
    (finding,) = mask_findings((found[doubts.LAST_ONLY],))
    assert (finding.title, finding.places) == ("Of 1 example only the last answer is learned", (1,))


def test_every_kind_has_its_words() -> None:
    kinds = [value for name, value in vars(doubts).items() if name.isupper() and isinstance(value, str)]
    for kind in kinds:
        for count in (1, 2):
            (finding,) = mask_findings((DoubtCount(kind, "So it is.", count, (0,)),))
            assert f"{count} example" in finding.title
            assert finding.title != f"{count} example"


def test_kept_tokens_keep_their_doubts(model_folder: ModelFolder, tmp_path: Path) -> None:
    renderer = ChatRenderer.load(model_folder(FORGETFUL, bytes_only=True))
    write_examples(tmp_path / "examples.jsonl", [talk("q", "a"), talk("q", "<|im_end|>"), talk("q", "x", "r", "b")])
    examples = ExampleFile(tmp_path / "examples.jsonl")
    first, second = (render_kept(examples, renderer=renderer, folder=tmp_path / "kept").index for _ in range(2))
    assert (first.doubts, first.outcomes.tolist()) == (second.doubts, second.outcomes.tolist())
    rendered = [renderer.render(example) for example in examples]
    for index in (first, second):
        doubts = [index.doubts[number - 1] if number else () for number in index.outcomes]
        assert doubts == [each.doubts for each in rendered]
    assert [bool(each.doubts) for each in rendered] == [False, True, True]
