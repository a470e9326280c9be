from pathlib import Path

import pytest

from tests.data.sources.sources import Folder

pytestmark = pytest.mark.case("16-txt-transcripts")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def pairs(number: int, between: str, within: str = "\n") -> str:
    return between.join(f"USER: Where is bed {each}?{within}ASSISTANT: In the north." for each in range(number))


@pytest.mark.parametrize("number", [2, 24, 7_000])
@pytest.mark.parametrize(
    ("between", "within"), [(2 * "\n", "\n"), ("\n---\n", "\n"), (3 * "\n", 2 * "\n"), ("</s>\n", " ")]
)
def test_conversations_of_any_number_are_apart(number: int, between: str, within: str, folder: Folder) -> None:
    """More than 1,500 characters of them were cut into pieces of prose, fewer were one conversation."""
    found = folder.read(pairs(number, between, within), "talks.txt")
    assert (len(found.rows), found.problems) == (number, ())
    texts = [str(row.cells["text"]).removesuffix("</s>") for row in found.rows]
    assert texts == [f"USER: Where is bed {each}?{within}ASSISTANT: In the north." for each in range(number)]
    assert found.rows[1].number == 1 + f"USER{within}{between}".count("\n")
    assert found.source.notes[0].startswith("A new conversation begins")


def test_a_long_conversation_stays_whole_and_that_is_said(folder: Folder) -> None:
    text = pairs(200, "\n")
    found = folder.read(text, "talk.txt")
    assert found.cells == [{"text": text}]
    assert found.source.notes[0].startswith("The whole text is read as one conversation")


def test_a_system_prompt_begins_a_conversation(folder: Folder) -> None:
    talk = "System: Be brief.\nUser: Hi\nAssistant: Hello\nUser: Bye\nAssistant: See you\n"
    assert folder.read(talk * 3, "talks.txt").cells == [{"text": talk.strip()}] * 3


@pytest.mark.parametrize(
    "talk",
    [
        "<s>[INST] Hi [/INST] Hello </s>",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>",
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello<|im_end|>",
        "### Instruction:\nSay hi.\n\n### Response:\nHi",
        "Below is an instruction that describes a task. Do it.\n\n### Instruction:\nSay hi.\n\n### Response:\nHi",
        "<\uff5cbegin\u2581of\u2581sentence\uff5c>Be\nbrief.<\uff5cUser\uff5c>Hi<\uff5cAssistant\uff5c>Hello",
        "A chat with an assistant. USER: Hi ASSISTANT: Hello</s>",
    ],
)
def test_texts_of_chat_templates(talk: str, folder: Folder) -> None:
    found = folder.read("\n".join([talk] * 50) + "\n", "talks.txt")
    assert found.cells == [{"text": talk.removesuffix(" ")}] * 50


def test_questions_with_answers_of_any_number(folder: Folder) -> None:
    for number in (2, 300):
        found = folder.read(
            "\n\n".join(f"Q: Where is bed {each}?\nA: Here.\nSouth." for each in range(number)), "qa.txt"
        )
        assert found.cells == [
            {"question": f"Where is bed {each}?", "answer": "Here.\nSouth."} for each in range(number)
        ]


def test_a_conversation_that_is_too_long_costs_no_other(folder: Folder) -> None:
    text = f"User: a\nAssistant: b\n\nUser: long\nAssistant: {'x ' * 1_600_000}\n\n" + pairs(9, "\n\n").title()
    found = folder.read(text, "talks.txt")
    assert [problem.text for problem in found.problems] == ["This conversation is longer than 1,000,000 characters."]
    assert found.cells[0] == {"text": "User: a\nAssistant: b"}
    assert len(found.rows) >= 9


@pytest.mark.parametrize("text", ["User: my name for him\n\nHe wept.\n", "Note.\n\nUser: Hi\nAssistant: Hello\n"])
def test_other_texts_stay_texts(text: str, folder: Folder) -> None:
    assert folder.read(text, "story.txt").source.notes[0].startswith("Long text is cut")
