"""A model's chat template: found, compiled in Jinja's sandbox and filled with a conversation.

Gives what transformers' `apply_chat_template` gives as text, without importing it. A template comes with a model from
anywhere, so it is not trusted: the sandbox keeps it from everything but strings, and from working without end. Knows
nothing of tokens.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from studio.data.examples import Message
from studio.data.tokenizing.limits import TooMuch, letters_in
from studio.data.tokenizing.template_sandbox import MOST_SOURCE, Sandbox
from studio.errors import DataError, ModelError

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] + (eos_token or '') + '\\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For a model without a chat template. The prompt ends with no space: most tokenizers join it to the word after it."""

Span = tuple[int, int]
"""Where a stretch of a text begins and ends, in characters."""

_ANOTHER = "Choose another base model."
_BLOCK = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_OPENED, _CLOSED = "\U0010fffc", "\U0010fffd"
_MARK = re.compile(f"([{_OPENED}{_CLOSED}])")
"""Letters for private use, the last that there are."""

_REASONING = ("reasoning_content", "reasoning", "thinking")
"""The names under which chat templates look for the reasoning before an answer; each knows one or two of them."""

_TEMPLATE_FAULTS = (
    TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What a template can raise while it works on strings and numbers."""


class ChatTemplate:
    """A compiled chat template with the special tokens that it may name. `tool_source` is the one for tools, if any.

    Raises ModelError when a template is not valid.
    """

    def __init__(
        self,
        source: str,
        *,
        special_tokens: Mapping[str, str],
        tool_source: str = "",
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.source = source
        self._special_tokens = dict(special_tokens)
        self._plain = _Compiled(source, now)
        self._for_tools = _Compiled(tool_source, now) if tool_source else self._plain
        self._tools = functools.lru_cache(maxsize=64)(_plain_tools)
        self._turn = functools.lru_cache(maxsize=1024)(_plain_turn)

    def fill(self, messages: Sequence[Message], *, prompt: bool, tools: str = "") -> str:
        """Write a conversation as the model reads it; with `prompt` it ends where the assistant is to speak.

        `tools` is a JSON list as text, or empty. Raises DataError when the template refuses the conversation.
        """
        return self._render(self._chosen(tools).plain, messages, prompt=prompt, tools=tools)

    def marks(self, text: str, messages: Sequence[Message], *, tools: str = "") -> tuple[Span, ...]:
        """Return what the template itself marks as the assistant's in `text`, which `fill` wrote of the conversation.

        Empty when it has no `{% generation %}` marks, when they mark nothing here, and when they cannot be placed.
        """
        marked = self._chosen(tools).marked
        if marked is None:
            return ()
        spans: list[Span] = []
        start, rest = 0, ""
        for piece in _MARK.split(self._render(marked, messages, prompt=False, tools=tools)):
            if piece == _OPENED:
                start = len(rest)
            elif piece == _CLOSED:
                spans.append((start, len(rest)))
            else:
                rest += piece
        # A filter over a marked part, or a mark in the data itself, makes another text: then the marks mean nothing.
        return tuple(span for span in spans if span[0] < span[1]) if rest == text else ()

    def _chosen(self, tools: str) -> "_Compiled":
        return self._for_tools if tools else self._plain

    def _render(self, template: "_Ready", messages: Sequence[Message], *, prompt: bool, tools: str) -> str:
        turns = [
            self._turn(message)
            if message.tool_calls or message.name or message.tool_call_id or message.reasoning
            else {"role": message.role, "content": message.content}
            for message in messages
        ]
        offered = self._tools(tools) if tools else None
        values: dict[str, object] = {
            "messages": turns,
            "tools": offered,
            "documents": None,
            "add_generation_prompt": prompt,
        }
        try:
            return template.fill({**values, **self._special_tokens}, letters=len(tools) + letters_in(messages))
        except MemoryError as error:
            raise TooMuch("The model's chat template needs more memory than it may have.", _ANOTHER) from error
        except _TEMPLATE_FAULTS as error:
            roles = ", ".join(message.role for message in messages[:8]) + (", ..." if len(messages) > 8 else "")
            raise DataError(
                f"The model's chat template refuses a conversation of {roles}: {str(error).strip().rstrip('.')}.",
                "Change the conversation (a system message is often the cause), or choose another base model.",
            ) from error


class _Compiled:
    """A template compiled as it is, and once more with its generation marks written out, when it has any."""

    def __init__(self, source: str, now: Callable[[], datetime]) -> None:
        if len(source) > MOST_SOURCE:
            raise TooMuch(f"The model's chat template has {len(source):,} letters, far more than any in use.", _ANOTHER)
        try:
            self.plain = _Ready(source, _SkippedMarks, now)
            self.marked = _Ready(source, _WrittenMarks, now) if _BLOCK.search(source) else None
        except TemplateSyntaxError as error:
            raise ModelError(
                f"The model's chat template is broken at line {error.lineno}: {error.message}.",
                "Fetch the model again, or choose another one.",
            ) from error
        except (*_TEMPLATE_FAULTS, SyntaxError, MemoryError) as error:  # So deep that it cannot be compiled.
            found = str(error)[:200].rstrip(".") or type(error).__name__
            raise ModelError(f"The model's chat template cannot be compiled: {found}.", _ANOTHER) from error


class _Ready:
    """A compiled template in the sandbox that is its own."""

    def __init__(self, source: str, marks: type[Extension], now: Callable[[], datetime]) -> None:
        self._sandbox = Sandbox(marks, now=now)
        self._template = self._sandbox.from_string(source)

    def fill(self, values: dict[str, object], *, letters: int) -> str:
        return self._sandbox.fill(self._template, values, letters=letters)


class _SkippedMarks(Extension):
    """Reads `{% generation %}` marks over, and writes what stands between them."""

    tags = {"generation"}  # noqa: RUF012 (Jinja declares it as a set)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(self.around(body), lineno=line)

    def around(self, body: list[nodes.Node]) -> list[nodes.Node]:
        """Return what takes the place of the block."""
        return body


class _WrittenMarks(_SkippedMarks):
    """Writes a letter where a `{% generation %}` block begins and one where it ends."""

    def around(self, body: list[nodes.Node]) -> list[nodes.Node]:
        opened, closed = (nodes.Output([nodes.TemplateData(mark)]) for mark in (_OPENED, _CLOSED))
        return [opened, *body, closed]


def _plain_turn(message: Message) -> dict[str, object]:
    """Write a message as chat templates know it: in the shape that OpenAI gave it, with the arguments as an object."""
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    if message.reasoning:
        turn |= dict.fromkeys(_REASONING, message.reasoning)
    if message.name:
        turn["name"] = message.name
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    if message.tool_calls:
        turn["tool_calls"] = [
            ({"id": call.id} if call.id else {})
            | {"type": "function", "function": {"name": call.name, "arguments": _arguments(call.arguments)}}
            for call in message.tool_calls
        ]
    return turn


def _arguments(text: str) -> object:
    """Read the arguments of a call; what is no JSON object stays as it is written."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _plain_tools(text: str) -> list[object]:
    try:
        tools = json.loads(text)
    except (ValueError, RecursionError):
        tools = None
    if not isinstance(tools, list):
        raise DataError("The tools of this example are not a JSON list.", "Correct the column with the tools.")
    return tools
