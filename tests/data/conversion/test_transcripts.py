import pytest

from studio.data.conversion.transcripts import turns_of

PAIR = [("user", "hi"), ("assistant", "hello")]


def said(text: str) -> list[tuple[str, str]] | None:
    turns = turns_of(text)
    return None if turns is None else [(turn["role"], turn["content"]) for turn in turns if isinstance(turn, dict)]


@pytest.mark.parametrize(
    "text",
    [
        "\n\nHuman: hi\n\nAssistant: hello",
        "Human: hi\n\nAssistant: hello",
        "### Human: hi### Assistant: hello",
        "### User:\nhi\n\n### Assistant:\nhello\n",
        "### Instruction:\nhi\n\n### Response:\nhello",
        "<s>[INST] hi [/INST] hello </s>",
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nhello<|im_end|>\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nhello<|eot_id|><|end_of_text|>",
        "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\nhello<end_of_turn>\n<eos>",
        "<|user|>\nhi<|end|>\n<|assistant|>\nhello<|end|>",
        "<|prompter|>hi<|endoftext|><|assistant|>hello<|endoftext|>",
        "User: hi\nAssistant: hello",
        "USER: hi\n\n\nASSISTANT: hello <|endoftext|>",
    ],
)
def test_the_usual_marks(text: str) -> None:
    assert said(text) == PAIR
    assert said(f"{text}\n\n{text.removeprefix('<|begin_of_text|>').removeprefix('<bos>')}") in (PAIR * 2, None)


def test_several_turns_keep_their_inner_lines() -> None:
    text = "\n\nHuman: hi\n\n1. a\n2. b: c\n\nAssistant: hello\n\nHuman: bye\n\nAssistant:"
    assert said(text) == [
        ("user", "hi\n\n1. a\n2. b: c"),
        ("assistant", "hello"),
        ("user", "bye"),
        ("assistant", ""),
    ]


def test_what_stands_before_the_first_question() -> None:
    asked = "[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nhi [/INST] hello"
    assert said(asked) == [("system", "Be kind."), *PAIR]
    alpaca = "Below is an instruction that describes a task. Do it.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n"
    assert said(f"{alpaca}### Response:\n3") == [
        ("system", "Below is an instruction that describes a task. Do it."),
        ("user", "Add.\n\n1 2"),
        ("assistant", "3"),
    ]


def test_results_of_tools() -> None:
    text = 'SYSTEM: Help.\nUSER: hi\nASSISTANT: <call> <|endoftext|>\n\nFUNCTION RESPONSE: {"a": 1}\n\nASSISTANT: ok'
    assert said(text) == [
        ("system", "Help."),
        ("user", "hi"),
        ("assistant", "<call>"),
        ("tool", '{"a": 1}'),
        ("assistant", "ok"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "He said: Human: hi\n\nAssistant: hello",
        "Human: hi",
        "\n\nAssistant: hello",
        "A: hello",
        "Note: hi\nAnswer: hello",
        "Some text\n\nUser: hi\nAssistant: hello",
        "# Human\nhi\n# Assistant\nhello",
    ],
)
def test_what_is_no_transcript(text: str) -> None:
    assert turns_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 300_000 + "Human: hi",
        "<|start_header_id|>user<|end_header_id|><|eot_id|>" + " " * 300_000 + "x",
        "[INST]<<SYS>>" + " " * 300_000,
        "User:" + " " * 300_000,
        "\n\nHuman:" * 30_000,
    ],
)
@pytest.mark.timeout(20)
def test_no_text_takes_long(text: str) -> None:
    assert turns_of(text) is None
