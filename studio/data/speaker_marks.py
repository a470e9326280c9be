"""How people and chat templates mark where a speaker begins in a conversation that is written as one text.

Known are the shapes of published data sets ("Human: ... Assistant: ...", "### Instruction: ... ### Response: ...") and
the control marks of the usual chat templates.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SYSTEM, USER, ASSISTANT, TOOL, INPUT = "system", "user", "assistant", "tool", "input"

_SPEAKERS: Mapping[str, str] = {
    **dict.fromkeys(("human", "user", "customer", "client", "prompter", "instruction", "[inst]"), USER),
    **dict.fromkeys(
        ("assistant", "ai", "bot", "chatbot", "chatgpt", "agent", "model", "response", "[/inst]"), ASSISTANT
    ),
    "gpt4 correct user": USER,
    "gpt4 correct assistant": ASSISTANT,
    **dict.fromkeys(("system", "developer", "[system_prompt]"), SYSTEM),
    **dict.fromkeys(("tool", "function", "function response", "ipython", "observation"), TOOL),
    "input": INPUT,
}
"""Who speaks, by the names in the marks, in lower case."""

_PAIRS = (
    "System|User|Human|Assistant|Function Response",
    *(f"System|{names}" for names in ("Human|AI", "Human|Bot", "User|AI", "User|Bot", "User|Chatbot", "User|ChatGPT")),
    *(f"System|{names}" for names in ("User|Model", "Customer|Agent", "Customer|Assistant", "Client|Agent")),
)
"""Who speaks at the start of a line. Each pair is looked for by itself: "Model:" may also be a word of an answer."""
_BEGINS = "|".join(
    (
        r"<s>|<bos>|<BOS_TOKEN>|\[gMASK\]<sop>|\[BOS\]|<\|begin_of_text\|>|<\|startoftext\|>",
        "<\uff5cbegin\u2581of\u2581sentence\uff5c>",
    )
)
_PREFACE = r"Below is an instruction that describes a task[^#]*"
BEGIN_MARK = re.compile(rf"(?:{_BEGINS})\s*\Z")
"""The token that a template puts before a conversation, at the end of what stands before the first turn."""
PREFACE_END = re.compile(rf"{_PREFACE}\Z")
"""The sentence before an instruction in the format of Alpaca, at the same place."""
OPENING = re.compile(rf"(?:{_BEGINS}|(?<=</s>)\s*\n)")
"""Where a conversation begins whose system prompt stands before the first mark: at the last of these."""
_BEGIN = re.compile(rf"\s*(?:(?:{_BEGINS})\s*)?")
_PREFACE_START = re.compile(rf"\s*{_PREFACE}")
_WITHIN = 1_000
_LONGEST_OPENING = 4_000
_ANY_MARK = re.compile(r"<[|\uff5c]|<start_of_turn>|<extra_id_|\[\|?[A-Zusa]|###|:")
_SYSTEM_START, _SYSTEM_END = "<<SYS>>", "<</SYS>>"


@dataclass(frozen=True)
class Style:
    """How one family writes a conversation: the mark (its group is the speaker), and what may stand at a turn's end.

    `is_single` says that each question is an example of its own. `has_opening` says that the system prompt stands
    before the first mark, without one.
    """

    mark: re.Pattern[str]
    ends: tuple[str, ...] = ()
    is_single: bool = False
    has_opening: bool = False


def _lines_of(names: str, ends: tuple[str, ...] = ()) -> Style:
    """Return the style in which the name of the speaker and a colon begin a line."""
    return Style(re.compile(rf"^\**({names})\**:\**", re.MULTILINE), ends)


STYLES = (
    Style(re.compile(r"<\|im_start\|>([\w ]+)(?:\n|<\|im_sep\|>)"), ("<|endoftext|>", "<|im_end|>")),
    Style(
        re.compile(r"<\|(?:start_header_id|header_start)\|>([\w ]+)<\|(?:end_header_id|header_end)\|>"),
        ("<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|eot|>", "<|eom|>"),
    ),
    Style(re.compile(r"(?:<start_of_turn>|<\|turn>)(\w+)\n"), ("<eos>", "<end_of_turn>", "<turn|>")),
    Style(re.compile(r"<\|start_of_role\|>(\w+)<\|end_of_role\|>"), ("<|end_of_text|>",)),
    Style(
        re.compile(r"<\|start\|>(\w+)(?:<\|channel\|>final)?<\|message\|>"),
        ("<|end|>", "<|return|>"),
    ),
    Style(
        re.compile(r"<\|START_OF_TURN_TOKEN\|><\|(SYSTEM|USER|CHATBOT)_TOKEN\|>(?:<\|START_RESPONSE\|>)?"),
        ("<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>"),
    ),
    Style(
        re.compile(r"<\uff5c(User|Assistant|System)\uff5c>"),
        ("<\uff5cend\u2581of\u2581sentence\uff5c>",),
        has_opening=True,
    ),
    Style(
        re.compile(r"<\|(system|user|assistant|prompter|observation|tool)\|>", re.IGNORECASE),
        ("</s>", "<|end|>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>"),
    ),
    Style(re.compile(r"\[\|(system|user|assistant)\|\]"), ("[|endofturn|]",)),
    Style(re.compile(r"<extra_id_[01]>(System|User|Assistant)\n")),
    Style(re.compile(r"(\[/?INST\]|\[SYSTEM_PROMPT\])"), ("<s>", "</s>", "[/SYSTEM_PROMPT]")),
    Style(re.compile(r"(GPT4 Correct User|GPT4 Correct Assistant):"), ("<|end_of_turn|>",)),
    Style(re.compile(r"### ?(Human|User|Assistant|System): ?"), ("</s>",)),
    Style(
        re.compile(r"^### ?(System|Instruction|Input|Response):?[ \t]*$", re.MULTILINE),
        ("</s>", "<|endoftext|>"),
        is_single=True,
    ),
    Style(re.compile(r"(?:\A|\n\n)(Human|Assistant):")),
    *(_lines_of(written(names), ("<|endoftext|>",)) for names in _PAIRS for written in (str, str.upper, str.lower)),
    Style(re.compile(r"(?:\A|(?<=\s)|(?<=</s>))(USER|ASSISTANT):"), ("</s>",), has_opening=True),
)


def speaker(mark: re.Match[str]) -> str:
    """Return who speaks after a mark; nothing for a name that is not known."""
    return _SPEAKERS.get(mark.group(1).lower(), "")


def opening_of(text: str, style: Style) -> tuple[str, int] | None:
    """Return the system prompt before the first mark, and where that mark stands; None when there is no such mark."""
    preface = _PREFACE_START.match(text)
    if preface is not None:
        return (preface.group().strip(), preface.end()) if style.mark.match(text, preface.end()) else None
    begin = _BEGIN.match(text)
    start = begin.end() if begin else 0
    for place in (start, 0):
        if style.mark.match(text, place):
            return "", place
    first = style.mark.search(text, start, start + _LONGEST_OPENING) if style.has_opening else None
    if first is None:
        return None
    opening = text[start : first.start()]
    return (opening.strip(), first.start()) if text[:start].strip() or "\n" not in opening else None


def may_hold_marks(text: str) -> bool:
    """Say whether a text may be a conversation; a quick look at its start."""
    return _ANY_MARK.search(text, 0, _WITHIN) is not None


def turns_of(text: str) -> list[object] | None:
    """Return the turns of a transcript as objects with `role` and `content`; None when the text is not one.

    A transcript begins with a mark, and both a person and an assistant speak in it.
    """
    if not may_hold_marks(text):
        return None
    for style in STYLES:
        turns = list(_split(text, style))
        roles = {turn["role"] for turn in turns}
        if {USER, ASSISTANT} <= roles and "" not in roles:
            return _with_inputs(turns)
    return None


def _with_inputs(turns: Sequence[Mapping[str, str]]) -> list[object]:
    """Put the input of an instruction into the turn before it."""
    found: list[Mapping[str, str]] = []
    for turn in turns:
        if turn["role"] != INPUT:
            found.append(turn)
        elif found:
            found[-1] = {**found[-1], "content": f"{found[-1]['content']}\n\n{turn['content']}"}
    return list(found)


def _split(text: str, style: Style) -> Iterator[Mapping[str, str]]:
    """Yield the turns between the marks of a style; none when the text does not begin with one."""
    found = opening_of(text, style)
    if found is None:
        return
    opening, start = found
    if opening:
        yield {"role": SYSTEM, "content": opening}
    marks = list(style.mark.finditer(text, start))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        said = text[mark.end() : following.start() if following else len(text)].strip()
        for end in style.ends:
            said = said.removesuffix(end).rstrip()
        yield from _said(speaker(mark), said)


def _said(role: str, said: str) -> Iterator[Mapping[str, str]]:
    """Yield a turn, after the system message that Llama 2 puts into a question."""
    if said.startswith(_SYSTEM_START) and _SYSTEM_END in said:
        told, _, said = said.removeprefix(_SYSTEM_START).partition(_SYSTEM_END)
        yield {"role": SYSTEM, "content": told.strip()}
    yield {"role": role, "content": said.strip()}
