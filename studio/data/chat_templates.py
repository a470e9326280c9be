"""A model's chat template: found, compiled in Jinja's sandbox and filled with a conversation.

Gives what transformers' `apply_chat_template` gives as text, without importing it. A template comes with a model from
anywhere, so it is not trusted: the sandbox keeps it from everything but strings. Knows nothing of tokens.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from studio.data.examples import Message
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
    """A compiled chat template with the special tokens that it may name.

    Raises ModelError when the template is not valid.
    """

    def __init__(
        self, source: str, *, special_tokens: Mapping[str, str], now: Callable[[], datetime] = datetime.now
    ) -> None:
        self.source = source
        self._special_tokens = dict(special_tokens)
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda format: now().strftime(format)
        try:
            self._compiled = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise ModelError(
                f"The model's chat template is broken at line {error.lineno}: {error.message}.",
                "Fetch the model again, or choose another one.",
            ) from error

    def fill(self, messages: Sequence[Message], *, prompt: bool) -> str:
        """Write a conversation as the model reads it; with `prompt` it ends where the assistant is to speak.

        Raises DataError when the template refuses the conversation.
        """
        plain = [{"role": message.role, "content": message.content} for message in messages]
        try:
            return self._compiled.render(
                messages=plain, tools=None, documents=None, add_generation_prompt=prompt, **self._special_tokens
            )
        except _TEMPLATE_FAULTS as error:
            roles = ", ".join(message.role for message in messages[:8]) + (", ..." if len(messages) > 8 else "")
            raise DataError(
                f"The model's chat template refuses a conversation of {roles}: {str(error).strip().rstrip('.')}.",
                "Change the conversation (a system message is often the cause), or choose another base model.",
            ) from error


def find_template(folder: Path, config: Mapping[str, Any]) -> str | None:
    """Return the source of the chat template that a model folder ships, None when it has none.

    `chat_template.jinja` comes before `chat_template` in the tokenizer's configuration, which is a string or a list of
    named ones, of which "default" counts. Raises OSError or UnicodeDecodeError when the file cannot be read.
    """
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    found = config.get("chat_template")
    if isinstance(found, list):
        found = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
    if isinstance(found, dict):
        found = found.get("default")
    return found if isinstance(found, str) and found.strip() else None


class _GenerationBlock(Extension):
    """Reads `{% generation %}` marks over: what is learned is found by other means."""

    tags = {"generation"}  # noqa: RUF012 (Jinja declares it as a set)

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON as it is; Jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
