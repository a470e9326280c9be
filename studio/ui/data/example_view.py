"""One example as a conversation, with what the model learns and what is personal marked.

Every text from a file is escaped.
"""

from markupsafe import Markup

from studio.data.checking.personal import personal_spans
from studio.data.checking.text_checks import PERSONAL
from studio.data.examples import TEXT, Example, Message
from studio.ui.data.editing import NAMES
from studio.ui.kit import fragments
from studio.wording import counted

MOST_SEARCHED = 20_000
"""So many characters of a text are searched for personal data each time that it is shown."""

_PERSONAL = Markup('<u class="ls-personal" title="Looks like {}">{}</u>')
_LEARNING = ("assistant", TEXT)


def no_preview() -> Markup:
    """Say what fills the preview."""
    return fragments.empty(
        "Nothing to preview yet",
        "Once a data set is chosen, each example stands here, with the part that the model learns in colour.",
    )


def legend(*, personal: bool = False) -> Markup:
    """Explain the colours of an example."""
    learned = Markup("<span><mark></mark>the model learns to write this</span>")
    read = Markup("<span>the rest is only read</span>")
    found = Markup('<span><u class="ls-personal">underlined</u>personal data or a key</span>') if personal else ""
    return Markup('<div class="ls-legend">{}{}{}</div>').format(learned, read, found)


def too_long(tokens: int, *, max_length: int, overlong: str) -> str:
    """Say that an example is longer than a run takes, and what happens to it; nothing when it fits."""
    if tokens <= max_length:
        return ""
    length = f"it has {counted(tokens, 'token')}, and the longest taken is {max_length:,}"
    return (
        f"This example will be shortened: {length}."
        if overlong == "cut"
        else f"This example will be skipped: {length}."
    )


def conversation(example: Example, *, warning: str = "", doubt: str = "") -> Markup:
    """Show an example as a conversation. `warning` says why it is not learned as it stands, `doubt` what is odd."""
    turns = fragments.join(_bubble(message) for message in example.messages)
    body = Markup('<div class="ls-talk" tabindex="0" role="group" aria-label="As a conversation">{}{}</div>').format(
        _tools(example.tools), turns
    )
    warnings = fragments.notice("warning", warning) if warning else ""
    doubts = fragments.line("warning", doubt) if doubt else ""
    return fragments.stack([warnings, legend(personal="ls-personal" in turns), body, doubts])


def _bubble(message: Message) -> Markup:
    speaker = NAMES.get(message.role, message.role)
    calls = fragments.join(
        Markup('<code class="ls-call">{}({})</code>').format(call.name, call.arguments) for call in message.tool_calls
    )
    thought = Markup("{} {}\n\n").format("Reasoning:", fragments.own(message.reasoning)) if message.reasoning else ""
    return Markup('<div class="ls-bubble{}"><small>{}{}</small>{}<span translate="no">{}{}</span></div>').format(
        " ls-learns" if message.role in _LEARNING else "",
        speaker,
        f" {message.name}" if message.name else "",
        thought,
        _with_personal(message.content),
        calls,
    )


def _with_personal(text: str) -> Markup:
    """Write a text with what looks like personal data underlined, by the same rules as the checks."""
    parts, end = [], 0
    for start, stop, kind in personal_spans(text[:MOST_SEARCHED]):
        parts += [Markup("{}").format(text[end:start]), _PERSONAL.format(PERSONAL[kind][0], text[start:stop])]
        end = stop
    return fragments.join([*parts, text[end:]])


def _tools(tools: str) -> Markup:
    if not tools:
        return Markup("")
    return Markup('<div class="ls-bubble"><small>Available tools</small><code class="ls-call">{}</code></div>').format(
        tools
    )


def position(example: Example, *, place: int, total: int) -> str:
    """Say which example is shown, and where in the file it stands."""
    where = f"row {example.row:,}" + (f" of {example.file}" if example.file else " of the file")
    return f"of {total:,} · {where}"
