import pytest

from studio.data.speaker_marks import turns_of

PAIR = [("user", "hi"), ("assistant", "hello")]


def said(text: str) -> list[tuple[str, str]] | None:
    turns = turns_of(text)
    return None if turns is None else [(turn["role"], turn["content"]) for turn in turns if isinstance(turn, dict)]


@pytest.mark.case("15-templated-text")
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
        "<|im_start|>user<|im_sep|>hi<|im_end|><|im_start|>assistant<|im_sep|>hello<|im_end|>",
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\nhi<|eot|><|header_start|>assistant<|header_end|>\n\n"
        "hello<|eot|>",
        "<bos><|turn>user\nhi<turn|>\n<|turn>model\nhello<turn|>\n",
        "<\uff5cbegin\u2581of\u2581sentence\uff5c><\uff5cUser\uff5c>hi<\uff5cAssistant\uff5c>hello"
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
        "<|start_of_role|>user<|end_of_role|>hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>hello"
        "<|end_of_text|>",
        "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>final<|message|>hello<|return|>",
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>hi<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|>"
        "<|CHATBOT_TOKEN|>hello<|END_OF_TURN_TOKEN|>",
        "[|user|]hi\n[|assistant|]hello[|endofturn|]",
        "<|user|>\nhi</s>\n<|assistant|>\nhello</s>",
        "GPT4 Correct User: hi<|end_of_turn|>GPT4 Correct Assistant: hello<|end_of_turn|>",
        "USER: hi ASSISTANT: hello</s>",
        "**User:** hi\n\n**Assistant:** hello",
        "Human: hi\nAI: hello",
        "user: hi\nbot: hello",
        "User: hi\nAssistant: hello",
        "USER: hi\n\n\nASSISTANT: hello <|endoftext|>",
    ],
)
def test_the_usual_marks(text: str) -> None:
    assert said(text) == PAIR
    again = text.removeprefix("<|begin_of_text|>").removeprefix("<bos>").removeprefix("<BOS_TOKEN>")
    again = again.removeprefix("<\uff5cbegin\u2581of\u2581sentence\uff5c>")
    assert said(f"{text}\n\n{again}") in (PAIR * 2, None)


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


@pytest.mark.case("15-templated-text")
@pytest.mark.parametrize(
    "text",
    [
        "<s>[SYSTEM_PROMPT]Be kind.[/SYSTEM_PROMPT][INST]hi[/INST]hello</s>",
        "<\uff5cbegin\u2581of\u2581sentence\uff5c>Be\nkind.<\uff5cUser\uff5c>hi<\uff5cAssistant\uff5c>hello",
        "Be kind. USER: hi ASSISTANT: hello</s>",
        "<|system|>\nBe kind.</s>\n<|user|>\nhi</s>\n<|assistant|>\nhello</s>",
    ],
)
def test_system_prompts_of_templates(text: str) -> None:
    spoken = said(text)
    assert spoken is not None
    assert spoken[0][0] == "system"
    assert spoken[0][1].replace("\n", " ") == "Be kind."
    assert spoken[1:] == PAIR


def test_a_word_of_an_answer_is_no_speaker() -> None:
    text = "User: Which car?\nAssistant: Make: Ford\nModel: Focus\nAgent: Jo"
    assert said(text) == [("user", "Which car?"), ("assistant", "Make: Ford\nModel: Focus\nAgent: Jo")]


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
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>narrator\nhello<|im_end|>\n<|im_start|>assistant\nyes<|im_end|>",
        "<|start|>user<|message|>hi<|end|><|start|>assistant<|channel|>analysis<|message|>hm<|end|>",
        "A note on chats.\n\nUSER: hi ASSISTANT: hello",
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
