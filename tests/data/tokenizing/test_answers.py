"""The quick search for answers finds what the thorough one finds, and neither is led astray by odd text."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.data.examples import Example, Message
from studio.data.tokenizing.answers import AnswerFinder, Found
from studio.data.tokenizing.chat_templates import ChatTemplate
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.token_places import Tokens
from studio.data.tokenizing.tokenizer_files import TokenizerFiles, read_tokenizer
from studio.errors import DataError
from tests.families import FAMILIES, write_family

FilesOf = Callable[[str], TokenizerFiles]
TEXTS = st.text(alphabet="ab \n\t<|>/[]{}%é漢🤖\u00a0", max_size=12)
ODD = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def files_of(tmp_path_factory: pytest.TempPathFactory) -> FilesOf:
    folder: Path = tmp_path_factory.mktemp("families")
    return cache(lambda name: read_tokenizer(write_family(folder / name, name)))


def find(files: TokenizerFiles, messages: Sequence[Message], *, verbatim: bool) -> Found | str:
    template = ChatTemplate(files.template, special_tokens=files.special_tokens)
    text = template.fill(messages, prompt=False)
    encoding = files.tokenizer.encode(text, add_special_tokens=False)
    tokens = Tokens(text, encoding.ids, encoding.offsets)
    try:
        return AnswerFinder(template, files.special_texts).find(messages, tokens, verbatim=verbatim)
    except DataError as error:
        return error.message


def turns(contents: Sequence[str]) -> tuple[Message, ...]:
    return tuple(Message(("user", "assistant")[place % 2], content) for place, content in enumerate(contents))


@ODD
@given(name=st.sampled_from(sorted(FAMILIES)), contents=st.lists(TEXTS, min_size=2, max_size=8))
def test_the_quick_search_agrees_with_the_thorough_one(name: str, contents: list[str], files_of: FilesOf) -> None:
    messages = turns(contents[: len(contents) // 2 * 2])
    assert find(files_of(name), messages, verbatim=True) == find(files_of(name), messages, verbatim=False)


@settings(ODD, max_examples=12)
@given(name=st.sampled_from(sorted(FAMILIES)), contents=st.lists(TEXTS, min_size=2, max_size=12))
def test_a_long_chat_is_searched_as_a_short_one(name: str, contents: list[str], files_of: FilesOf) -> None:
    """Beyond about 280 turns not every answer is checked against the template itself."""
    messages = turns((contents * 320)[:320])
    assert find(files_of(name), messages, verbatim=True) == find(files_of(name), messages, verbatim=False)


@ODD
@given(
    name=st.sampled_from(sorted(FAMILIES)),
    messages=st.lists(
        st.builds(
            Message,
            role=st.sampled_from(["system", "user", "assistant", "assistant", "tool", "odd"]),
            content=TEXTS | st.sampled_from(["<|im_end|>", "</s>", "<think>a</think>b", "<|eot_id|> ", "[INST]"]),
        ),
        max_size=6,
    ),
    tools=st.sampled_from(["", "[]", '[{"name": "a"}]', "{", "[1]"]),
)
def test_no_conversation_does_more_than_be_refused(
    name: str, messages: list[Message], tools: str, files_of: FilesOf
) -> None:
    renderer = ChatRenderer(files_of(name))
    example = Example(tuple(messages), tools=tools)
    ((_, found),) = renderer.render_each([example])
    if isinstance(found, DataError):
        assert found.message
        return
    assert len(found.ids) == len(found.learned)
    assert any(found.learned) or not any(message.content.strip() for message in messages)
    assert "".join(piece.text for piece in renderer.pieces(found)) == _decoded(files_of(name), found.ids)


def _decoded(files: TokenizerFiles, ids: Sequence[int]) -> str:
    return files.tokenizer.decode(list(ids), skip_special_tokens=False)
