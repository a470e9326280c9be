"""What each family of chat templates makes of a conversation: what is learned, and that the ids are transformers'."""

import itertools
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from studio.data.examples import Example, Message, ToolCall
from studio.data.tokenizing.rendering import ChatRenderer, Rendered
from studio.errors import DataError
from tests.families import FAMILIES, TEMPLATES, write_family

Family = Callable[[str], ChatRenderer]

QUESTION, SECOND = Message("user", "Which button?"), Message("user", "  And the lamp?")
ANSWER, LAST = Message("assistant", "The steep one.\n"), Message("assistant", "The lamp is calm.")
SYSTEM = Message("system", "You keep the light.")
TWO_TURNS = Example((QUESTION, ANSWER, SECOND, LAST))
ONE_TURN = Example((QUESTION, LAST))
WITH_SYSTEM = Example((SYSTEM, QUESTION, LAST))

TOOLS = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
WITH_TOOLS = Example(
    (
        Message("user", "Storm?"),
        Message("assistant", "", tool_calls=(ToolCall("weather", '{"place": "é"}', id="1"),)),
        Message("tool", "calm", name="weather", tool_call_id="1"),
        Message("assistant", "No storm."),
    ),
    tools=TOOLS,
)

SHOWN = {
    "chatml": "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nWhich button?<|im_end|>\n"
    "<|im_start|>assistant\n[The steep one.\n<|im_end|>]\n<|im_start|>user\n  And the lamp?<|im_end|>\n"
    "<|im_start|>assistant\n[The lamp is calm.<|im_end|>]\n",
    "llama3": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhich button?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[The steep one.<|eot_id|>]"
    "<|start_header_id|>user<|end_header_id|>\n\nAnd the lamp?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[The lamp is calm.<|eot_id|>]",
    "gemma": "<bos><start_of_turn>user\nWhich button?<end_of_turn>\n"
    "<start_of_turn>model\n[The steep one.<end_of_turn>]\n"
    "<start_of_turn>user\nAnd the lamp?<end_of_turn>\n<start_of_turn>model\n[The lamp is calm.<end_of_turn>]\n",
    "mistral": "<s>[INST] Which button?[/INST][ The steep one.\n</s>]"
    "[INST]   And the lamp?[/INST][ The lamp is calm.</s>]",
    "phi": "<|user|>Which button?<|end|><|assistant|>[The steep one.\n<|end|>]"
    "<|user|>And the lamp?<|end|><|assistant|>[The lamp is calm.<|end|>]<|endoftext|>",
    "reasoning": "<|bos|><|User|>Which button?<|Assistant|>The steep one.\n<|eos|><|User|>  And the lamp?<|Assistant|>"
    "[The lamp is calm.<|eos|>]",
    "rewriting": "<|im_start|>user\nWhich button?<|im_end|>\n<|im_start|>assistant\n[The steep one.\n<|im_end|>]\n"
    "<|im_start|>user\n  And the lamp?<|im_end|>\n<|im_start|>assistant\n[The lamp is calm.<|im_end|>]\n",
    "no_system": "<|im_start|>Which button?<|im_end|>[The steep one.\n<|im_end|>]"
    "<|im_start|>  And the lamp?<|im_end|>[The lamp is calm.<|im_end|>]",
    "marks": "<|im_start|>user\nWhich button?<|im_end|>\n<|im_start|>assistant\n[The steep one.\n<|im_end|>]\n"
    "<|im_start|>user\n  And the lamp?<|im_end|>\n<|im_start|>assistant\n[The lamp is calm.<|im_end|>]\n",
}
"""Two turns, with square brackets around what is learned. The tokens of phi
eat the white space after them."""


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    folder = tmp_path_factory.mktemp("families")
    return cache(lambda name: ChatRenderer.load(write_family(folder / name, name)))


def shown(renderer: ChatRenderer, rendered: Rendered) -> str:
    """Write what the page shows, with square brackets around what is learned."""
    pieces = ((piece.learned, piece.text) for piece in renderer.pieces(rendered))
    parts = ((learned, "".join(text for _, text in run)) for learned, run in itertools.groupby(pieces, lambda p: p[0]))
    return "".join(f"[{text}]" if learned else text for learned, text in parts)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_answer_is_learned_and_nothing_else(name: str, family: Family) -> None:
    rendered = family(name).render(TWO_TURNS)
    assert shown(family(name), rendered) == SHOWN[name]
    assert ("only the last answer" in rendered.note) == (name == "reasoning")


@pytest.mark.parametrize("name", FAMILIES)
def test_many_give_what_one_by_one_give(name: str, family: Family) -> None:
    renderer = family(name)
    examples = [WITH_SYSTEM, TWO_TURNS, ONE_TURN, Example((QUESTION,)), WITH_TOOLS] * 30
    for example, found in renderer.render_each(examples):
        if isinstance(found, Rendered):
            assert renderer.render(example) == found
            continue
        with pytest.raises(DataError) as refused:
            renderer.render(example)
        assert (refused.value.message, refused.value.hint) == (found.message, found.hint)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_ids_are_those_of_transformers(name: str, family: Family, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    renderer, theirs = family(name), AutoTokenizer.from_pretrained(write_family(tmp_path / name, name))
    contents = ("hi", " \n\n é 漢字 🤖", "{{ 1+1 }}", f"a {FAMILIES[name].closing} b", "\nends in space \n")
    for content in contents:
        for example in (ONE_TURN, TWO_TURNS, WITH_SYSTEM):
            messages = tuple(Message(each.role, each.content + content) for each in example.messages)
            plain = [{"role": message.role, "content": message.content} for message in messages]
            try:
                rendered = renderer.render(Example(messages))
            except DataError:
                with pytest.raises(Exception, match="not supported"):
                    theirs.apply_chat_template(plain)
                continue
            assert rendered.ids == tuple(theirs.apply_chat_template(plain, return_dict=False))
            prompt = theirs.apply_chat_template(plain[:-1], add_generation_prompt=True, return_dict=False)
            assert renderer.prompt(messages[:-1]) == tuple(prompt)


def test_tools_are_written_as_transformers_write_them(family: Family, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    renderer, theirs = family("rewriting"), AutoTokenizer.from_pretrained(write_family(tmp_path / "tools", "rewriting"))
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"place": "é"}}}
    plain = [
        {"role": "user", "content": "Storm?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "calm", "name": "weather", "tool_call_id": "1"},
        {"role": "assistant", "content": "No storm."},
    ]
    rendered = renderer.render(WITH_TOOLS)
    whole = theirs.apply_chat_template(plain, tools=json.loads(TOOLS), return_dict=False)
    prompt = theirs.apply_chat_template(
        plain[:-1], tools=json.loads(TOOLS), add_generation_prompt=True, return_dict=False
    )
    assert rendered.ids == tuple(whole)
    assert renderer.prompt(WITH_TOOLS.messages[:-1], WITH_TOOLS.tools) == tuple(prompt)
    assert shown(renderer, rendered).endswith(
        "<|im_start|>user\nStorm?<|im_end|>\n<|im_start|>assistant\n"
        '[\n<tool_call>\n{"name": "weather", "arguments": {"place": "é"}}\n</tool_call><|im_end|>]\n'
        "<|im_start|>user\n<tool_response>\ncalm\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n[No storm.<|im_end|>]\n"
    )
    assert rendered.note == ""


@pytest.mark.case("03-text-and-tool-call")
@pytest.mark.parametrize("name", ["chatml", "llama3", "reasoning", "no_system", "marks"])
def test_a_template_without_a_place_for_tools_says_so(name: str, family: Family) -> None:
    for example in (WITH_TOOLS, Example(WITH_TOOLS.messages), Example(ONE_TURN.messages, tools=TOOLS)):
        with pytest.raises(DataError, match="has no place for tool calls"):
            family(name).render(example)


def test_tools_that_are_no_list_are_a_sentence(family: Family) -> None:
    for tools in ("{}", "nothing", "[" * 100_000):
        with pytest.raises(DataError, match="not a JSON list"):
            family("rewriting").render(Example(ONE_TURN.messages, tools=tools))


def test_a_template_of_its_own_for_tools_is_taken(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "model", "chatml")
    (folder / "additional_chat_templates").mkdir()
    source = (TEMPLATES / "rewriting.jinja").read_text(encoding="utf-8")
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text(source, encoding="utf-8")
    renderer = ChatRenderer.load(folder)
    assert "</tool_call><|im_end|>]" in shown(renderer, renderer.render(WITH_TOOLS))
    assert shown(renderer, renderer.render(TWO_TURNS)) == SHOWN["chatml"]


def test_a_system_message_without_a_place_is_told(family: Family) -> None:
    rendered = family("no_system").render(WITH_SYSTEM)
    assert rendered.note == "The model's chat template has no place for a system message, so it is not read."
    assert rendered.ids == family("no_system").render(ONE_TURN).ids
    with pytest.raises(DataError, match="System role not supported"):
        family("gemma").render(WITH_SYSTEM)
    assert family("chatml").render(WITH_SYSTEM).note == ""


def test_a_system_message_that_moves_leaves_only_the_last_answer(family: Family) -> None:
    rendered = family("mistral").render(Example((SYSTEM, *TWO_TURNS.messages)))
    assert shown(family("mistral"), rendered) == (
        "<s>[INST] Which button?[/INST] The steep one.\n</s>"
        "[INST] You keep the light.\n\n  And the lamp?[/INST][ The lamp is calm.</s>]"
    )
    assert "only the last answer is learned" in rendered.note


def test_a_system_message_that_only_the_prompt_has_is_refused(tmp_path: Path) -> None:
    source = (TEMPLATES / "mistral.jinja").read_text(encoding="utf-8")
    template = source.replace("message == questions[-1]", "loop.last")
    renderer = ChatRenderer.load(write_family(tmp_path / "model", "mistral", template=template))
    with pytest.raises(DataError, match="Leave out the system message"):
        renderer.render(WITH_SYSTEM)
    assert shown(renderer, renderer.render(TWO_TURNS)) == SHOWN["mistral"]


@pytest.mark.case("06-think-in-history")
def test_reasoning_that_is_dropped_later_leaves_only_the_last_answer(family: Family) -> None:
    thought = Message("assistant", "<think>\nhm\n</think>\n\nThe lamp.")
    rendered = family("rewriting").render(Example((QUESTION, thought, SECOND, thought)))
    assert shown(family("rewriting"), rendered) == (
        "<|im_start|>user\nWhich button?<|im_end|>\n<|im_start|>assistant\nThe lamp.<|im_end|>\n"
        "<|im_start|>user\n  And the lamp?<|im_end|>\n"
        "<|im_start|>assistant\n[<think>\nhm\n</think>\n\nThe lamp.<|im_end|>]\n"
    )
    assert "only the last answer is learned" in rendered.note


def test_a_prompt_that_begins_the_answer_is_told(family: Family) -> None:
    """The templates of reasoning models end a prompt with the mark that opens the reasoning; this was refused once."""
    renderer = family("reasoning")
    rendered = renderer.render(Example((QUESTION, Message("assistant", "<think>\nhm\n</think>\n\nThe lamp."))))
    assert shown(renderer, rendered) == "<|bos|><|User|>Which button?<|Assistant|>[\n\nThe lamp.<|eos|>]"
    assert "its answer is begun with <think>, which is not learned" in rendered.note
    assert "changes the text of an answer" in rendered.note
    assert "only the last answer" not in rendered.note


def test_reasoning_that_is_closed_at_once_is_part_of_the_answer(tmp_path: Path) -> None:
    source = (TEMPLATES / "reasoning.jinja").read_text(encoding="utf-8")
    template = source.replace("'<|Assistant|>' + content", "'<|Assistant|><think></think>' + content")
    renderer = ChatRenderer.load(write_family(tmp_path / "model", "reasoning", template=template))
    assert shown(renderer, renderer.render(ONE_TURN)) == (
        "<|bos|><|User|>Which button?<|Assistant|><think>[</think>The lamp is calm.<|eos|>]"
    )
    named = source.replace("'<|Assistant|><think>\\n'", "'<|Assistant|>Bot:'").replace(
        "'<|Assistant|>' + content", "'<|Assistant|>Model:' + content"
    )
    renderer = ChatRenderer.load(write_family(tmp_path / "named", "reasoning", template=named))
    with pytest.raises(DataError, match="other than its own prompt"):
        renderer.render(ONE_TURN)


def test_a_template_that_writes_nothing_that_is_said_is_refused(tmp_path: Path) -> None:
    """Those of models for images want a list of parts; of a text they wrote nothing, so only marks were learned."""
    parts = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% for part in m.content %}"
        "{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    renderer = ChatRenderer.load(write_family(tmp_path / "model", "chatml", template=parts))
    with pytest.raises(DataError, match="does not write what is said"):
        renderer.render(ONE_TURN)


def test_the_templates_own_marks_are_used_as_transformers_use_them(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    source = (TEMPLATES / "marks.jinja").read_text(encoding="utf-8")
    before_the_end = source.replace(" + '<|im_end|>' -", " -").replace("{{- '\\n' -}}", "{{- '<|im_end|>\\n' -}}")
    for place, template in enumerate((source, before_the_end)):
        folder = write_family(tmp_path / str(place), "marks", template=template)
        renderer, theirs = ChatRenderer.load(folder), AutoTokenizer.from_pretrained(folder)
        plain = [{"role": message.role, "content": message.content} for message in TWO_TURNS.messages]
        expected = theirs.apply_chat_template(plain, return_dict=True, return_assistant_tokens_mask=True)
        rendered = renderer.render(TWO_TURNS)
        assert list(rendered.learned) == [bool(each) for each in expected["assistant_masks"]]
        assert ("where to stop is not learned" in rendered.note) == (template is before_the_end)


def test_marks_that_cannot_be_placed_are_not_believed(tmp_path: Path) -> None:
    """They are found by letters in the text: a filter over them, or the same letters in the data, makes it another."""
    source = (TEMPLATES / "marks.jinja").read_text(encoding="utf-8")
    block = source[source.index("{%- generation") : source.index("{{- '\\n' -}}")]
    filtered = source.replace(block, "{%- set text -%}" + block + "{%- endset -%}{{- text | trim -}}")
    renderer = ChatRenderer.load(write_family(tmp_path / "filtered", "marks", template=filtered))
    assert shown(renderer, renderer.render(TWO_TURNS)) == SHOWN["marks"]
    renderer = ChatRenderer.load(write_family(tmp_path / "plain", "marks"))
    forged = Example((QUESTION, Message("assistant", "a\U0010fffdb\U0010fffcc")))
    assert shown(renderer, renderer.render(forged)).endswith("[a\U0010fffdb\U0010fffcc<|im_end|>]\n")


@pytest.mark.parametrize("name", ["chatml", "gemma", "mistral", "phi", "rewriting"])
def test_a_long_chat_is_rendered_in_time_that_grows_with_it(name: str, family: Family) -> None:
    questions = [Message("user", f"Which button is number {place}?") for place in range(600)]
    answers = [Message("assistant", f"The {place}th, which is calm.") for place in range(600)]
    turns = tuple(itertools.chain.from_iterable(zip(questions, answers, strict=True)))
    rendered = family(name).render(Example(turns))
    text = shown(family(name), rendered)
    assert text.count("[") - text.count("[/INST]") - text.count("[INST]") == 600
    for place in (0, 1, 2, 299, 598, 599):
        assert f"The {place}th, which is calm.{FAMILIES[name].closing}" in text
    short = family(name).render(Example(turns[:20]))
    assert rendered.learned[: len(short.ids) - 2] == short.learned[:-2]


THINKING = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}"
    "{% if m.FIELD and loop.index0 > LAST %}{{ '<think>\\n' + m.FIELD + '\\n</think>\\n\\n' }}{% endif %}"
    "{{ m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\nBEGUN' }}{% endif %}"
)


@pytest.mark.case("05-reasoning-fields")
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize("begun", ["", "<think>\\n"])
def test_reasoning_is_learned_where_the_template_has_a_place_for_it(field: str, begun: str, tmp_path: Path) -> None:
    template = THINKING.replace("FIELD", field).replace("LAST", "-1").replace("BEGUN", begun)
    renderer = ChatRenderer.load(write_family(tmp_path / "model", "rewriting", template=template))
    rendered = renderer.render(Example((QUESTION, Message("assistant", "The lamp.", reasoning="hm"))))
    opened = "<think>\n[" if begun else "[<think>\n"
    assert shown(renderer, rendered) == (
        "<|im_start|>user\nWhich button?<|im_end|>\n<|im_start|>assistant\n"
        f"{opened}hm\n</think>\n\nThe lamp.<|im_end|>]\n"
    )
    assert rendered.note == ""


@pytest.mark.case("05-reasoning-fields")
def test_reasoning_without_a_place_is_told(family: Family, tmp_path: Path) -> None:
    thought = Message("assistant", "The lamp.", reasoning="hm")
    rendered = family("marks").render(Example((QUESTION, thought)))
    assert "no place for the reasoning" in rendered.note
    template = THINKING.replace("FIELD", "reasoning_content").replace("LAST", "1").replace("BEGUN", "")
    renderer = ChatRenderer.load(write_family(tmp_path / "model", "rewriting", template=template))
    first = Message("assistant", "Left.", reasoning="so")
    assert "before earlier answers" in renderer.render(Example((QUESTION, first, SECOND, thought))).note
