import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.chat_templates import PLAIN_TEMPLATE
from studio.data.tokenizing.rendering import IGNORED, ChatRenderer, Piece
from studio.errors import DataError, ModelError

ModelFolder = Callable[..., Path]
Conversation = Callable[..., tuple[Message, ...]]

CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}{{ '<|im_start|>system\nbe kind<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""With a default system prompt, as the starter model has."""

REFUSES_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
) + CHATML
FORGETS_EARLIER_ANSWERS = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if loop.last or message['role'] != 'assistant' %}{{ message['content'] }}{% endif %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
MARKED = (
    "{% for message in messages %}{{ message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}MESSAGE{% endgeneration %}"
    "{% else %}{{ message['content'] }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant\n' }}{% endif %}"
)
CLOSES_THE_WHOLE = (
    "{% for message in messages %}{{ message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def test_masks_as_written_by_hand(model_folder: ModelFolder, conversation: Conversation) -> None:
    rendered = ChatRenderer.load(model_folder(CHATML)).render(Example(conversation("user: hi", "assistant: bye kind")))
    ignored = IGNORED
    assert rendered.ids == (1, 5, 3, 8, 4, 9, 2, 3, 1, 6, 3, 10, 2, 3, 1, 7, 3, 11, 4, 9, 2, 3)
    assert rendered.labels == (*[ignored] * 17, 11, 4, 9, 2, ignored)
    assert rendered.note == ""


def test_learns_every_answer_of_a_longer_conversation(model_folder: ModelFolder, conversation: Conversation) -> None:
    messages = conversation("system: be", "user: hi", "assistant: bye", "user: kind", "assistant: hi")
    rendered = ChatRenderer.load(model_folder(CHATML)).render(Example(messages))
    system, user = [1, 5, 3, 8, 2, 3], [1, 6, 3, 10, 2, 3]
    assert rendered.ids == (*system, *user, 1, 7, 3, 11, 2, 3, 1, 6, 3, 9, 2, 3, 1, 7, 3, 10, 2, 3)
    assert [place for place, learned in enumerate(rendered.learned) if learned] == [15, 16, 27, 28]


@pytest.mark.case("01-message-flags")
def test_an_answer_marked_as_context_is_not_learned(model_folder: ModelFolder, conversation: Conversation) -> None:
    """Marks such as `weight: 0` on a turn were not known, so that answer was learned like the others."""
    messages = conversation("user: hi", "assistant: bye", "user: kind", "assistant: hi")
    marked = Example((messages[0], replace(messages[1], learned=False), *messages[2:]))
    renderer = ChatRenderer.load(model_folder(CLOSES_THE_WHOLE))
    assert renderer.render(marked).ids == renderer.render(Example(messages)).ids
    assert [place for place, learned in enumerate(renderer.render(marked).learned) if learned] == [17, 18]
    with_marks = MARKED.replace("MESSAGE", "{{ message['content'] }}{{ '<|im_end|>' }}")
    rendered = ChatRenderer.load(model_folder(with_marks)).render(marked)
    assert [rendered.ids[place] for place, learned in enumerate(rendered.learned) if learned] == [10, 2]
    forgetful = ChatRenderer.load(model_folder(FORGETS_EARLIER_ANSWERS)).render(marked)
    assert [forgetful.ids[place] for place, learned in enumerate(forgetful.learned) if learned] == [10, 2]


def test_prompt_ends_where_the_assistant_speaks(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML))
    messages = conversation("system: be", "user: hi", "assistant: bye")
    prompt = renderer.prompt(messages[:-1])
    assert prompt == (1, 5, 3, 8, 2, 3, 1, 6, 3, 10, 2, 3, 1, 7, 3)
    assert renderer.render(Example(messages)).ids[: len(prompt)] == prompt


@pytest.mark.case("06-think-in-history")
def test_a_template_that_forgets_teaches_only_the_last_answer(
    model_folder: ModelFolder, conversation: Conversation
) -> None:
    renderer = ChatRenderer.load(model_folder(FORGETS_EARLIER_ANSWERS))
    rendered = renderer.render(Example(conversation("user: hi", "assistant: bye", "user: kind", "assistant: hi")))
    assert rendered.ids == (1, 6, 3, 10, 2, 3, 1, 7, 3, 2, 3, 1, 6, 3, 9, 2, 3, 1, 7, 3, 10, 2, 3)
    assert [place for place, learned in enumerate(rendered.learned) if learned] == [20, 21]
    assert "only the last answer is learned" in rendered.note


def test_a_token_after_the_whole_text_hides_no_earlier_answer(
    model_folder: ModelFolder, conversation: Conversation
) -> None:
    renderer = ChatRenderer.load(model_folder(CLOSES_THE_WHOLE))
    rendered = renderer.render(Example(conversation("user: hi", "assistant: bye", "user: kind", "assistant: hi")))
    assert rendered.ids == (6, 3, 10, 2, 3, 7, 3, 11, 2, 3, 6, 3, 9, 2, 3, 7, 3, 10, 2, 3, 2)
    assert [place for place, learned in enumerate(rendered.learned) if learned] == [7, 8, 17, 18]
    assert rendered.note == ""


def test_a_refused_role_is_a_sentence(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(REFUSES_SYSTEM))
    assert renderer.render(Example(conversation("user: hi", "assistant: bye"))).ids
    with pytest.raises(DataError, match=r"system, user, assistant: System role not supported\."):
        renderer.render(Example(conversation("system: be", "user: hi", "assistant: bye")))
    with pytest.raises(DataError, match="System role"):
        renderer.prompt(conversation("system: be", "user: hi"))


def test_an_answer_that_its_prompt_does_not_lead_to_is_refused(
    model_folder: ModelFolder, conversation: Conversation
) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML.replace("'<|im_start|>assistant\n'", "'bye'")))
    with pytest.raises(DataError, match="other than its own prompt"):
        renderer.render(Example(conversation("user: hi", "assistant: bye")))
    with pytest.raises(DataError, match="no answer"):
        renderer.render(Example(conversation("user: hi")))
    assert renderer.end_ids == (2,)


def test_plain_template(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(None, bytes_only=True))
    rendered = renderer.render(Example(conversation("system: s", "user: q", "assistant: a", "user: r", "assistant: b")))
    assert renderer.uses_plain_template
    assert renderer.template == PLAIN_TEMPLATE
    assert _shown(renderer.pieces(rendered)) == (
        "s\n\nUser: q\nAssistant:[ a<|im_end|>]\nUser: r\nAssistant:[ b<|im_end|>]\n"
    )
    assert not ChatRenderer.load(model_folder(CHATML)).uses_plain_template


@pytest.mark.case("68-template-without-an-end")
def test_a_template_without_an_end_token_says_so(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(None, bytes_only=True, eos_token=None))
    rendered = renderer.render(Example(conversation("user: q", "assistant: a")))
    assert _shown(renderer.pieces(rendered)) == "User: q\nAssistant:[ a]\n"
    assert "where to stop is not learned" in rendered.note
    assert renderer.eos_token == ""
    assert renderer.end_ids == ()


def test_an_unknown_last_word_is_no_end_of_turn(model_folder: ModelFolder, conversation: Conversation) -> None:
    """The token of an unknown word is a special one, and was taken for the end of the answer."""
    renderer = ChatRenderer.load(model_folder(CHATML, unk_token="<unk>"))
    rendered = renderer.render(Example(conversation("user: hi", "assistant: bye zebra")))
    assert rendered.labels[-5:] == (11, 4, 0, 2, IGNORED)


def test_text_that_looks_like_a_template_stays_text(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML, bytes_only=True))
    messages = conversation("user: {{ 1+1 }}{% for x in y %}", "assistant: {{ messages }}")
    rendered = renderer.render(Example(messages))
    shown = _shown(renderer.pieces(rendered))
    assert "{{ 1+1 }}{% for x in y %}<|im_end|>" in shown
    assert shown.endswith("[{{ messages }}<|im_end|>]\n")
    assert rendered.note == ""


@pytest.mark.case("23-special-tokens-in-text")
def test_a_special_token_spelled_in_the_data_is_noted(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML))
    rendered = renderer.render(Example(conversation("user: hi<|im_end|>", "assistant: bye")))
    assert rendered.ids[11:14] == (10, 2, 2)
    assert rendered.note.startswith("The text spells <|im_end|>, which the model reads as a special token")


def test_pieces_survive_characters_of_several_tokens(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML, bytes_only=True))
    rendered = renderer.render(Example(conversation("user: é 漢字", "assistant: 🤖 ñ")))
    pieces = renderer.pieces(rendered)
    assert pieces[-4:] == (
        Piece("assistant\n", learned=False, special=False),
        Piece("🤖 ñ", learned=True, special=False),
        Piece("<|im_end|>", learned=True, special=True),
        Piece("\n", learned=False, special=False),
    )
    assert sum(rendered.learned) == 4 + 1 + 2 + 1
    assert renderer.decode(rendered.ids).endswith("user\né 漢字\nassistant\n🤖 ñ\n")


def test_pieces_survive_a_cut_inside_a_character(model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML, bytes_only=True))
    rendered = renderer.render(Example(conversation("user: q", "assistant: 🤖")))
    learned = list(rendered.learned)
    learned[learned.index(True)] = False
    pieces = renderer.pieces(type(rendered)(rendered.ids, tuple(learned)))
    assert "".join(piece.text for piece in pieces).endswith("assistant\n🤖<|im_end|>\n")


def test_end_ids_come_from_the_model_and_its_template(model_folder: ModelFolder) -> None:
    folder = model_folder(CHATML, eos_token="bye")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [11, 9, 999]}), encoding="utf-8")
    renderer = ChatRenderer.load(folder)
    assert renderer.end_ids == (11, 9, 2)
    assert renderer.eos_token == "bye"


def test_reads_every_place_of_template_and_tokens(model_folder: ModelFolder, conversation: Conversation) -> None:
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "{{ eos_token }} default"}]
    folder = model_folder(None, chat_template=named, eos_token={"content": "<|im_end|>", "__type": "AddedToken"})
    assert ChatRenderer.load(folder).template == "{{ eos_token }} default"
    assert ChatRenderer.load(folder).prompt(conversation("user: hi"))[:2] == (2, 4)
    (folder / "chat_template.jinja").write_text("{{ 'hi' }}", encoding="utf-8")
    assert ChatRenderer.load(folder).prompt(conversation("user: hi")) == (10,)


def test_templates_get_what_transformers_gives_them(model_folder: ModelFolder, conversation: Conversation) -> None:
    template = (
        "{{ strftime_now('%Y') }}{{ messages[0] | tojson }}"
        "{% generation %}{{ '<b>' | tojson }}{% endgeneration %}{% for x in [1, 2] %}{{ x }}{% break %}{% endfor %}"
    )
    renderer = ChatRenderer.load(model_folder(template, bytes_only=True), now=lambda: datetime(1999, 1, 2))
    text = renderer.decode(renderer.prompt((Message("user", "é"),)))
    assert text == '1999{"role": "user", "content": "é"}"<b>"1'


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages.__class__ }}{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ 1 / 0 }}",
        "{{ messages + 1 }}",
        "{{ nothing.at.all }}",
        "{% for x in range(10000000) %}{% endfor %}",
    ],
)
def test_a_hostile_template_is_refused(template: str, model_folder: ModelFolder, conversation: Conversation) -> None:
    renderer = ChatRenderer.load(model_folder(template))
    with pytest.raises(DataError, match="chat template refuses"):
        renderer.prompt(conversation("user: hi"))


def test_damaged_files_are_model_errors(model_folder: ModelFolder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        ChatRenderer.load(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="template is broken at line 1"):
        ChatRenderer.load(model_folder("{% for %}"))
    folder = model_folder(CHATML)
    (folder / "tokenizer_config.json").write_text("[", encoding="utf-8")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json cannot be read"):
        ChatRenderer.load(folder)
    (folder / "tokenizer.json").write_text('{"model": 1}', encoding="utf-8")
    with pytest.raises(ModelError, match="is damaged"):
        ChatRenderer.load(folder)


def test_plain_text_is_learned_whole(model_folder: ModelFolder) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML))
    text = Message(TEXT, "hi kind\n")
    rendered = renderer.render(Example((text,)))
    assert rendered.ids == rendered.labels == (10, 4, 9, 3, 2)
    assert renderer.render(Example((text,), continues=True)).ids == (10, 4, 9, 3)
    assert rendered.note == ""
    assert "spells <|im_end|>" in renderer.render(Example((Message(TEXT, "hi<|im_end|>"),))).note
    assert "where to stop" in ChatRenderer.load(model_folder(CHATML, eos_token=None)).render(Example((text,))).note


@pytest.mark.parametrize("flags", [{}, {"add_bos_token": True}, {"add_bos_token": False}, {"add_eos_token": True}])
def test_plain_text_begins_as_transformers_begins_it(flags: dict[str, bool], model_folder: ModelFolder) -> None:
    from transformers import AutoTokenizer

    for in_file in (True, False):
        folder = model_folder(CHATML, bos_token="<|im_start|>", **flags)
        if in_file:
            stored = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            frame = [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
            special = {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}}
            stored["post_processor"] = {
                "type": "TemplateProcessing",
                "single": frame,
                "pair": frame,
                "special_tokens": special,
            }
            (folder / "tokenizer.json").write_text(json.dumps(stored), encoding="utf-8")
        theirs = AutoTokenizer.from_pretrained(folder)("hi kind")["input_ids"]
        ours = ChatRenderer.load(folder).render(Example((Message(TEXT, "hi kind"),))).ids
        assert ours == (*theirs, *([2] if theirs[-1] != 2 else []))


def test_half_a_character_is_refused(model_folder: ModelFolder) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML))
    for example in (
        Example((Message(TEXT, "\ud800"),)),
        Example((Message("user", "\ud800"), Message("assistant", "a"))),
    ):
        with pytest.raises(DataError, match="half a character"):
            renderer.render(example)
        ((_, found),) = renderer.render_each([example])
        assert isinstance(found, DataError)


def test_the_fingerprint_is_of_all_that_decides_on_the_ids(model_folder: ModelFolder) -> None:
    dated = "{{ strftime_now('%d') }}" + CHATML
    folders = [model_folder(CHATML), model_folder(dated), model_folder(None), model_folder(CHATML, bos_token="hi")]
    first, other = datetime(1999, 1, 2, 3), datetime(1999, 1, 3, 3)
    made = [ChatRenderer.load(folder, now=lambda: first).fingerprint for folder in folders]
    assert len(set(made)) == 4
    later = [ChatRenderer.load(folder, now=lambda: other).fingerprint for folder in folders]
    assert [one == two for one, two in zip(made, later, strict=True)] == [True, False, True, True]


def test_two_hundred_examples_take_well_under_a_second(model_folder: ModelFolder) -> None:
    renderer = ChatRenderer.load(model_folder(CHATML, bytes_only=True))
    messages = (Message("user", "Which button? " * 10), Message("assistant", "The Steep button. " * 10))
    started = time.perf_counter()
    for _ in range(200):
        renderer.render(Example(messages))
    assert time.perf_counter() - started < 2  # Measured 0.1 s; the rest is for a busy machine.


def test_ids_equal_those_of_transformers(model_folder: ModelFolder, conversation: Conversation) -> None:
    from transformers import AutoTokenizer

    conversations = (
        conversation("user: hi", "assistant: bye"),
        conversation("user: hi <|im_end|> {{ 1+1 }}", "assistant:  bye\n\n", "user: é", "assistant: 🤖 zebra"),
    )
    templates = (CHATML, FORGETS_EARLIER_ANSWERS, CLOSES_THE_WHOLE, REFUSES_SYSTEM, "{{ bos_token }}" + PLAIN_TEMPLATE)
    for template in templates:
        for bytes_only in (False, True):
            folder = model_folder(template, bytes_only=bytes_only, bos_token="<|begin|>", unk_token="<unk>")
            renderer = ChatRenderer.load(folder)
            theirs = AutoTokenizer.from_pretrained(folder)
            for messages in conversations:
                plain = [{"role": message.role, "content": message.content} for message in messages]
                whole = theirs.apply_chat_template(plain, tokenize=True, return_dict=False)
                prompt = theirs.apply_chat_template(plain[:-1], add_generation_prompt=True, return_dict=False)
                assert renderer.render(Example(messages)).ids == tuple(whole)
                assert renderer.prompt(messages[:-1]) == tuple(prompt)


def _shown(pieces: tuple[Piece, ...]) -> str:
    """Write pieces as text, with square brackets around what is learned."""
    text = "".join(f"[{piece.text}]" if piece.learned else piece.text for piece in pieces)
    return text.replace("][", "")
