"""What a person assigns in the headers of the table, and what is said while it does not suffice."""

from collections.abc import Mapping

import pytest

from studio.data.conversion.roles import KINDS, PARTS, Roles, assign, missing, notes_on, parts_of

PAIR = {"q": "prompt", "a": "answer"}


@pytest.mark.parametrize(
    ("parts", "roles"),
    [
        ({"m": "conversation"}, Roles("chat", conversation="m")),
        (
            {"m": "conversation", "s": "system", "t": "tools", "x": "ignore"},
            Roles("chat", conversation="m", system="s", tools="t"),
        ),
        (PAIR, Roles("prompt-completion", prompts=("q",), answer="a")),
        ({"Question": "prompt", "a": "answer"}, Roles("question-answer", prompts=("Question",), answer="a")),
        ({"instruction": "prompt", "a": "answer"}, Roles("instruction", prompts=("instruction",), answer="a")),
        ({**PAIR, "i": "input"}, Roles("instruction", prompts=("q",), input="i", answer="a")),
        ({**PAIR, "h": "history"}, Roles("instruction", prompts=("q",), history="h", answer="a")),
        ({"i": "input", "a": "answer"}, Roles("instruction", input="i", answer="a")),
        (
            {"body": "prompt", "a": "answer", "title": "prompt"},
            Roles("prompt-completion", prompts=("body", "title"), answer="a"),
        ),
        ({"t": "text", "x": "ignore"}, Roles("text", text="t")),
        (
            {"p": "prompt", "chosen": "answer", "rejected": "ignore"},
            Roles("preference", prompts=("p",), answer="chosen"),
        ),
        ({"chosen": "conversation", "rejected": "ignore"}, Roles("preference", conversation="chosen")),
        ({"p": "prompt", "chosen": "answer"}, Roles("prompt-completion", prompts=("p",), answer="chosen")),
    ],
)
def test_assigned_parts_make_a_kind(parts: Mapping[str, str], roles: Roles) -> None:
    assert assign(parts) == roles
    assert parts_of(roles, tuple(parts)) == dict(parts)
    assert missing(roles, tuple(parts)) == ""
    assert roles.kind in KINDS
    assert set(parts.values()) <= set(PARTS)


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "Choose what each column holds: a prompt and its answer, a conversation, or plain text."),
        ({"a": "ignore"}, "Choose what each column holds"),
        ({"a": "no such part"}, "Choose what each column holds"),
        ({"q": "prompt", "b": "ignore"}, "Choose which one column holds the answer. The file has: q, b."),
        ({"a": "answer"}, "Choose which column holds the prompt"),
        ({"s": "system", "a": "answer"}, "Choose which column holds the prompt"),
        ({"s": "system"}, "Choose what each column holds"),
        ({**PAIR, "b": "answer"}, "Choose which one column holds the answer"),
        ({**PAIR, "s": "system", "t": "system"}, "only one column can play each part but the prompt"),
        ({"m": "conversation", "n": "conversation"}, "Choose what each column holds"),
        ({"t": "text", "a": "answer"}, "Plain text ('t') is learned whole, beside no other part. Set 'a' to ignore"),
        ({"t": "text", "m": "conversation"}, "Set 'm' to ignore, or 't'."),
        ({"m": "conversation", "a": "answer"}, "The conversation ('m') holds its own questions and answers."),
        ({"m": "conversation", "h": "history"}, "Set 'h' to ignore, or 'm'."),
        (
            {"conversation_id": "ignore", "role": "ignore", "content": "ignore"},
            "Here each row seems to be one message (column 'role')",
        ),
    ],
)
def test_what_does_not_suffice_has_no_kind_and_a_sentence(parts: Mapping[str, str], sentence: str) -> None:
    roles = assign(parts)
    assert roles.kind == ""
    assert sentence in missing(roles, tuple(parts))


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{title}\n\n{body}", ""),
        ("{title} {{literally}} {body} {more}", ""),
        ("{title}", "The template leaves out 'body'. Add {body} to it, or set the column to ignore."),
        ("{title} {body} {boddy}", "The template names 'boddy', which is no column."),
        ("{title} {body", "A brace in the template stands alone."),
        ("{title} {body} }", "A brace in the template stands alone."),
    ],
)
def test_a_template_is_checked(template: str, sentence: str) -> None:
    parts = {"title": "prompt", "body": "prompt", "more": "ignore", "a": "answer"}
    roles = assign(parts, template=template)
    assert roles.kind == "prompt-completion"
    assert sentence in missing(roles, tuple(parts))
    assert bool(sentence) == bool(missing(roles, tuple(parts)))
    assert assign(parts_of(roles, tuple(parts)), template=template) == roles


def test_a_template_alone_makes_the_prompt() -> None:
    parts = {"title": "ignore", "a": "answer"}
    assert missing(assign(parts, template="About {title}"), tuple(parts)) == ""
    assert "names no column" in missing(assign(parts, template="Say something."), tuple(parts))


@pytest.mark.parametrize(
    ("roles", "sentence"),
    [
        (Roles("question-answer", prompts=("a",), answer="output"), "There is no column 'output'. The file has: a, b."),
        (Roles("question-answer", prompts=("a",), answer="a"), "The column 'a' is chosen for two parts."),
        (Roles("poem", prompts=("a",), answer="b"), "Choose what each column holds"),
        (Roles("chat"), "Choose what each column holds"),
    ],
)
def test_roles_that_do_not_fit_the_columns(roles: Roles, sentence: str) -> None:
    assert sentence in missing(roles, ("a", "b"))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (("id", "role", "content"), "Here each row seems to be one message (column 'role')"),
        (("question", "choices", "answer"), "letters or numbers of choices (column 'choices')"),
        (("Question", "Option 1", "Option 2", "Answer"), "letters or numbers of choices (column 'Option 1')"),
        (("prompt", "completion", "label"), "The column 'label' may say which answers are good"),
        (("text", "label"), "The column 'label' may be what is to be answered"),
        (("text", "name"), "Choose what each column holds: a prompt and its answer"),
    ],
)
def test_why_a_person_is_asked(columns: tuple[str, ...], sentence: str) -> None:
    assert sentence in missing(Roles(), columns)
    assert f"The file has: {', '.join(columns)}." in missing(Roles(), columns)


def test_many_columns_are_not_all_named() -> None:
    assert "column 11 and 88 more." in missing(Roles(), tuple(f"column {number}" for number in range(100)))


def test_notes() -> None:
    assert notes_on(Roles("question-answer", prompts=("q",), answer="a")) == ()
    assert "the rejected one is not learned" in notes_on(Roles("preference", conversation="chosen"))[0]
    assert "learned whole" in notes_on(Roles("text", text="text"))[0]
    assert "searches, code and thinking" in notes_on(Roles("chat", conversation="mapping"))[0]
