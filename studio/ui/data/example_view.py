"""One example as the model reads it, or as a conversation while the model's tokenizer is not here.

Every text from a file is escaped.
"""

import re
from collections.abc import Sequence

from markupsafe import Markup

from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import Piece
from studio.ui.kit import fragments
from studio.wording import counted

_SPEAKERS = {"system": "System", "user": "Person", "assistant": "Model", "tool": "Tool", TEXT: "Text"}
_SIGNS = ("system", "user", "assistant", "human", "model", "tool", "inst", "sys", "im_start", "im_end")
_FEWEST_WORDS = 3
_LEARNING = ("assistant", TEXT)


def no_preview() -> Markup:
    """Say what fills the preview."""
    return fragments.empty(
        "Nothing to preview yet",
        "Once a data set is chosen, each example stands here exactly as the model reads it, with the part that it "
        "learns in colour.",
    )


def legend(*, special: bool) -> Markup:
    """Explain the colours of the preview."""
    learned = Markup("<span><mark></mark>the model learns to write this</span>")
    read = Markup("<span>plain text is only read</span>")
    signs = Markup("<span>framed words are signs of the model's own</span>") if special else Markup("")
    return Markup('<div class="ls-legend">{}{}{}</div>').format(learned, read, signs)


def too_long(tokens: int, *, max_length: int, overlong: str) -> str:
    """Say that an example is longer than a run takes, and what happens to it; nothing when it fits."""
    if tokens <= max_length:
        return ""
    length = f"it has {counted(tokens, 'token')}, and the longest taken is {max_length:,}"
    return (
        f"This example will be cut: {length}." if overlong == "cut" else f"This example will not be learned: {length}."
    )


def token_view(
    pieces: Sequence[Piece], note: str = "", *, special: bool, warning: str = "", opening: bool = False
) -> Markup:
    """Show an example as the model reads it, learned parts marked.

    `special` shows the model's own signs in full; otherwise a dot stands for each. `note` is a doubt about the example,
    `warning` says why it is not learned as it stands. `opening` says that the template adds a line of its own.
    """
    text = fragments.join(_piece(piece, special=special) for piece in pieces)
    body = Markup('<div class="ls-text" tabindex="0" role="group" aria-label="As the model reads it">{}</div>').format(
        text
    )
    doubts = fragments.line("warning", note) if note else ""
    warnings = fragments.notice("warning", warning) if warning else ""
    own = fragments.line("quiet", "The model's template adds its own opening line.") if opening else ""
    return fragments.stack([warnings, legend(special=special), body, own, doubts])


def adds_opening(pieces: Sequence[Piece], example: Example) -> bool:
    """Say whether words stand before the first message that neither the example holds nor name a speaker."""
    first = next((message for message in example.messages if message.content.strip()), None)
    if first is None or first.role == TEXT or example.tools:
        return False
    whole = "".join(piece.text for piece in pieces)
    start = whole.find(first.content.strip())
    plain, place = [], 0
    for piece in pieces:
        if place >= start:
            break
        if not piece.special:
            plain.append(piece.text[: start - place])
        place += len(piece.text)
    words = re.findall(r"\w+", " ".join(plain))
    return len([word for word in words if word.lower() not in _SIGNS]) >= _FEWEST_WORDS


def _piece(piece: Piece, *, special: bool) -> Markup:
    inner = Markup("{}").format(piece.text)
    if piece.special:
        inner = (
            Markup("<code>{}</code>").format(piece.text)
            if special
            else Markup('<i class="ls-dot" title="{}">·</i>').format(piece.text)
        )
    return Markup("<mark>{}</mark>").format(inner) if piece.learned else inner


def bubbles(example: Example, remark: str) -> Markup:
    """Show an example as a conversation, for as long as the model's tokenizer is not here."""
    turns = fragments.join(_bubble(message) for message in example.messages)
    body = Markup('<div class="ls-talk" tabindex="0" role="group" aria-label="As a conversation">{}{}</div>').format(
        _tools(example.tools), turns
    )
    return fragments.stack([legend(special=False), body, fragments.line("busy", remark)])


def _bubble(message: Message) -> Markup:
    speaker = _SPEAKERS.get(message.role, message.role)
    calls = fragments.join(
        Markup('<code class="ls-call">{}({})</code>').format(call.name, call.arguments) for call in message.tool_calls
    )
    thought = f"Reasoning: {message.reasoning}\n\n" if message.reasoning else ""
    return Markup('<div class="ls-bubble{}"><small>{}{}</small>{}{}{}</div>').format(
        " ls-learns" if message.role in _LEARNING else "",
        speaker,
        f" {message.name}" if message.name else "",
        thought,
        message.content,
        calls,
    )


def _tools(tools: str) -> Markup:
    if not tools:
        return Markup("")
    return Markup('<div class="ls-bubble"><small>Tools on offer</small><code class="ls-call">{}</code></div>').format(
        tools
    )


def position(example: Example, *, place: int, total: int) -> str:
    """Say which example is shown, and where in the file it stands."""
    where = f"row {example.row:,}" + (f" of {example.file}" if example.file else " of the file")
    return f"of {total:,} · {where}"
