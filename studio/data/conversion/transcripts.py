"""A conversation written as one text, with marks where a speaker begins: the turns in it, or None when it is not one.

White space next to a mark belongs to the mark. Knows nothing of columns.
"""

from collections.abc import Iterator, Mapping, Sequence

from studio.data.speaker_marks import ASSISTANT, INPUT, STYLES, SYSTEM, USER, Style, may_hold_marks, opening_of, speaker

_SYSTEM_START, _SYSTEM_END = "<<SYS>>", "<</SYS>>"


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
