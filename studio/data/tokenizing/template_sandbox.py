"""Jinja's sandbox as chat templates run in it: without time to waste, and with what transformers adds to it.

Every pass of a loop and every call of a macro looks at the clock, so that a template without an end is ended. What
cannot be seen from here, such as the power of two large numbers, is left to `limits`.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime

from jinja2 import Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from studio.data.tokenizing.limits import TooMuch

SECONDS = 3.0
"""One rendering may take so long. It usually takes less than a thousandth of it."""
MOST_SOURCE = 1_000_000
"""So many letters a template may have; the longest in use have about 30,000."""
MOST_WRITTEN = 200_000
TIMES_AS_LONG = 20
"""A template may write so many letters, and so many times the letters that it was given."""

_PASSES_A_LOOK = 32
_ANOTHER = "Choose another base model."


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of one template, in which one rendering goes on at a time."""

    def __init__(
        self, marks: type[Extension], *, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[marks, loopcontrols])
        self.filters["tojson"] = _to_json
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda format: now().strftime(format)
        del self.globals["lipsum"]  # It writes filler text without end, and no template of a model needs it.
        self._clock = clock
        self._passes = 0
        self._until = clock() + SECONDS

    def fill(self, template: Template, values: dict[str, object], *, letters: int) -> str:
        """Render a template of this environment that was given so many letters. Raises TooMuch, and what it raises."""
        self._until = self._clock() + SECONDS
        text = template.render(values)
        most = MOST_WRITTEN + TIMES_AS_LONG * letters
        if len(text) > most:
            raise TooMuch(
                f"The model's chat template writes {len(text):,} letters for a conversation of {letters:,}.", _ANOTHER
            )
        return text

    def count_pass(self) -> bool:
        """Look at the clock now and then; the compiled template calls this. Raises TooMuch when the time is over."""
        self._passes += 1
        if self._passes % _PASSES_A_LOOK == 0 and self._clock() > self._until:
            raise TooMuch(f"The model's chat template took longer than {SECONDS:.0f} seconds.", _ANOTHER)
        return True

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Counted().visit(super()._parse(source, name, filename))
        tree.set_environment(self)
        return tree


class _Counted(NodeTransformer):
    """Puts a call of `count_pass` into whatever may be done again and again."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, _statement(node.lineno))
        if node.test is not None:
            node.test = nodes.And(_call(node.lineno), node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._counted_body(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._counted_body(node)

    def _counted_body(self, node: nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        node.body.insert(0, _statement(node.lineno))
        return node


def _statement(line: int) -> nodes.Node:
    return nodes.ExprStmt(_call(line), lineno=line)


def _call(line: int) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute("count_pass", lineno=line), [], [], None, None, lineno=line)


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
