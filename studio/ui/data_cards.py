"""What the Data tab says about a data set, as HTML: the verdict, the figures, the rows left out, the conversation.

Functions from plain values to markup. Knows nothing of components and reads no file.
"""

from collections.abc import Sequence

from markupsafe import Markup

from studio.data.examples import Example
from studio.data.formats import Roles
from studio.data.inspection import Inspection, TokenStatistics
from studio.data.rendering import Piece
from studio.runs.words import counted
from studio.ui import fragments
from studio.ui.fragments import Tile
from studio.ui.reading import MOST_COUNTED
from studio.ui.wording import share

MOST_PROBLEMS = 20
_SPEAKERS = {"system": "System", "user": "Person", "assistant": "Model"}


def formats() -> Markup:
    """Say which files and columns are understood."""
    kinds = ("messages or conversations", "instruction, input, output", "prompt, completion", "question, answer")
    items = fragments.join(Markup("<li><code>{}</code></li>").format(kind) for kind in kinds)
    lead = Markup('<span class="ls-note">JSON Lines, JSON or CSV. These columns are recognised:</span>')
    return Markup('{}<ul class="ls-formats">{}</ul>').format(lead, items)


def nothing_yet() -> Markup:
    """Say what fills this card."""
    return fragments.empty(
        "No data set yet",
        "Drop a file above or take a sample. Here you will see how many examples it holds, which rows are left out "
        "and why, and how long the examples are.",
    )


def no_preview() -> Markup:
    """Say what fills the preview."""
    return fragments.empty(
        "Nothing to preview yet",
        "Once a data set is chosen, each example stands here exactly as the model reads it, with the part that it "
        "learns in colour.",
    )


def verdict(inspection: Inspection, tokens: TokenStatistics | None = None, *, max_length: int = 0) -> Markup:
    """Say in one line whether the data set can be used. What is too long is known once the tokenizer is here."""
    left_out = len(inspection.problems)
    found = f"{counted(inspection.usable, 'example')}, {shape(inspection.roles)}"
    too_long = tokens.too_long if tokens is not None else 0
    if not too_long:
        text = f"Ready: {found}. {counted(left_out, 'row')} left out."
        return fragments.notice("warning" if left_out else "good", text, _advice(inspection.usable))
    limit = counted(max_length, "token")
    rows = f" {counted(left_out, 'row')} cannot be used." if left_out else ""
    fitting = inspection.usable - too_long
    if not fitting:
        text = f"Nothing can be learned yet: of {found}, none fits into {limit}.{rows}"
        return fragments.notice("bad", text, "Set 'Longest example' higher on the Configure tab, or shorten them.")
    verb = "is" if too_long == 1 else "are"
    at_most, at_least = ("at most ", "at least ") if inspection.usable > MOST_COUNTED else ("", "")
    left = f"{at_least}{too_long:,} {verb} longer than {limit} and will be left out."
    text = f"Ready: {at_most}{fitting:,} of {found}; {left}{rows}"
    return fragments.notice("warning", text, _advice(fitting))


def shape(roles: Roles) -> str:
    """Name the columns that are used: "instruction / input / output"."""
    if roles.kind == "chat":
        return f"conversations in '{roles.messages}'"
    return " / ".join(name for name in (roles.system, roles.prompt, roles.input, roles.answer) if name)


def _advice(usable: int) -> str:
    if usable < 20:
        return "That is very few. The model will learn them by heart; 100 or more make it learn a habit."
    if usable < 100:
        return "Enough for a first try. A style or a format settles better with 100 or more."
    return "Enough to learn a voice, a format or a set of facts."


def figures(inspection: Inspection, tokens: TokenStatistics | None, *, max_length: int) -> Markup:
    """Show the numbers. Token numbers appear once the model's tokenizer is here."""
    items = [
        Tile("Examples", f"{inspection.usable:,}", f"from {inspection.format}"),
        Tile("Left out", f"{len(inspection.problems):,}", f"of {counted(inspection.rows_read, 'row')}"),
    ]
    if tokens is None:
        return fragments.tiles(items)
    sample = f" in the first {MOST_COUNTED:,}" if inspection.usable > MOST_COUNTED else ""
    fits = f"over {max_length:,} tokens" if tokens.too_long else f"all fit into {max_length:,}"
    items += [
        Tile("Typical length", f"{tokens.median:,}", "tokens"),
        Tile("Longest", f"{tokens.longest:,}", "tokens" + sample),
        Tile("Learned", share(tokens.learned, tokens.total), f"of {counted(tokens.total, 'token')}"),
        Tile("Too long", f"{tokens.too_long:,}", fits + sample),
    ]
    return fragments.tiles(items)


def problems(inspection: Inspection) -> Markup:
    """List the rows that are left out, each with its reason."""
    rows = fragments.join(
        Markup("<li><b>Row {}</b><span>{}</span></li>").format(each.row, each.text)
        for each in inspection.problems[:MOST_PROBLEMS]
    )
    more = len(inspection.problems) - MOST_PROBLEMS
    rest = Markup("<li><span>and {} more</span></li>").format(f"{more:,}") if more > 0 else ""
    return Markup('<ul class="ls-list">{}{}</ul>').format(rows, rest)


def legend(*, exact: bool) -> Markup:
    """Explain the colours of the preview."""
    learned = Markup("<span><mark></mark>the model learns to write this</span>")
    read = Markup("<span>plain text is only read</span>")
    special = Markup("<span>framed words are signs of the model's own</span>") if exact else Markup("")
    return Markup('<div class="ls-legend">{}{}{}</div>').format(learned, read, special)


def too_long(tokens: int, *, max_length: int) -> str:
    """Say that an example is longer than a run takes; nothing when it fits."""
    if tokens <= max_length:
        return ""
    return (
        f"This example will not be learned: it has {counted(tokens, 'token')}, and the longest taken is {max_length:,}."
    )


def token_view(pieces: Sequence[Piece], note: str = "", *, left_out: str = "") -> Markup:
    """Show an example as the model reads it: learned parts marked, special tokens framed.

    `note` is a doubt about it, `left_out` says why it is not learned at all.
    """
    text = fragments.join(_piece(piece) for piece in pieces)
    body = Markup('<div class="ls-text" tabindex="0" role="group" aria-label="As the model reads it">{}</div>').format(
        text
    )
    warnings = [fragments.notice("warning", left_out) if left_out else ""]
    return fragments.stack([*warnings, legend(exact=True), body, fragments.line("warning", note) if note else ""])


def _piece(piece: Piece) -> Markup:
    inner = Markup("<code>{}</code>").format(piece.text) if piece.special else Markup("{}").format(piece.text)
    return Markup("<mark>{}</mark>").format(inner) if piece.learned else inner


def bubbles(example: Example, remark: str) -> Markup:
    """Show an example as a conversation, for as long as the model's tokenizer is not here."""
    turns = fragments.join(
        Markup('<div class="ls-bubble{}"><small>{}</small>{}</div>').format(
            " ls-learns" if message.role == "assistant" else "",
            _SPEAKERS.get(message.role, message.role),
            message.content,
        )
        for message in example.messages
    )
    body = Markup('<div class="ls-talk" tabindex="0" role="group" aria-label="As a conversation">{}</div>').format(
        turns
    )
    return fragments.stack([legend(exact=False), body, fragments.line("busy", remark)])
