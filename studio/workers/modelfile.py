"""The Modelfile that goes with a GGUF, from which `ollama create` makes a model that is asked as the studio asks.

Ollama writes prompts with Go templates. One is given only where it is shown to write what the studio writes: it is made
of the texts that the chat template puts between messages, and those are filled in here and compared.
"""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import DataError
from studio.jobs.exports import NO_ANSWER, NOT_ASKED, OTHER_ANSWER, SAME_ANSWER

log = logging.getLogger(__name__)

LEAST_CONTEXT = 4096
_MARKS = ("Qfirst7", "Qsecond7", "Qthird7")
_DATES = ("strftime_now", "date_string")
_QUOTES = '"""'


@dataclass(frozen=True)
class Template:
    """The text before a message by its role and that of the one before it ("" for none), and what follows the last."""

    before: dict[tuple[str, str], str]
    tail: str

    def fill(self, messages: Sequence[Message]) -> str | None:
        """Write a conversation; None for one whose order of roles was not seen."""
        text, last = "", ""
        for message in messages:
            before = self.before.get((last, message.role))
            if before is None:
                return None
            text, last = text + before + message.content, message.role
        return text + self.tail if last == "user" else None

    @property
    def source(self) -> str:
        """The same for Ollama."""
        roles = list(dict.fromkeys(role for _, role in self.before))
        branches = "".join(
            f'{{{{ {"if" if number == 0 else "else if"} eq .Role "{role}" }}}}{self._opening(role)}'
            for number, role in enumerate(roles)
        )
        loop = f"{branches}{{{{ end }}}}{{{{ .Content }}}}{{{{ $last = .Role }}}}"
        return f'{{{{ $last := "" }}}}{{{{ range .Messages }}}}{loop}{{{{ end }}}}{_text(self.tail)}'

    def _opening(self, role: str) -> str:
        cases = [(last, text) for (last, each), text in self.before.items() if each == role]
        written = "".join(
            f'{{{{ {"if" if number == 0 else "else if"} eq $last "{last}" }}}}{_text(text)}'
            for number, (last, text) in enumerate(cases)
        )
        return f"{written}{{{{ end }}}}"


def _text(text: str) -> str:
    """Write a text as a constant of Go, of which a JSON text is one, so that nothing in it is read as a template."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}"


def template_of(renderer: ChatRenderer, conversations: Iterable[tuple[Message, ...]]) -> Template | None:
    """Make the template that writes all these conversations as the studio does; None where there is none."""
    if any(word in renderer.template for word in _DATES):
        return None  # it would write the date of today for ever
    first, second, third = _MARKS
    try:
        head, between, back, tail = _cut(renderer, ("user", first), ("assistant", second), ("user", third))
        above, below, _ = _cut(renderer, ("system", first), ("user", second))
        found = Template(
            {
                ("", "system"): above,
                ("", "user"): head,
                ("system", "user"): below,
                ("assistant", "user"): back,
                ("user", "assistant"): between,
            },
            tail,
        )
        written = [(renderer.prompt_text(each), found.fill(each)) for each in conversations]
    except (DataError, ValueError):
        log.debug("The chat template is none that Ollama can be given", exc_info=True)
        return None
    is_same = all(ours == theirs for ours, theirs in written if theirs is not None)
    return found if is_same and any(theirs is not None for _, theirs in written) else None


def _cut(renderer: ChatRenderer, *turns: tuple[str, str]) -> list[str]:
    """Cut a prompt at the contents of its messages. Raises ValueError where one is not there exactly once."""
    rest = renderer.prompt_text(tuple(Message(role, content) for role, content in turns))
    parts = []
    for _, content in turns:
        if rest.count(content) != 1:
            raise ValueError(f"the template writes a message {rest.count(content)} times")
        part, _, rest = rest.partition(content)
        parts.append(part)
    return [*parts, rest]


_ASKED = {
    NOT_ASKED: "Ollama itself was not asked.",
    SAME_ANSWER: "Ollama was asked one question, and gave the same answer.",
    OTHER_ANSWER: "Ollama was asked one question, and gave another answer.",
    NO_ANSWER: "Ollama was asked, and gave no answer.",
}


def modelfile(
    *,
    file: str,
    name: str,
    template: Template | None,
    stops: Sequence[str],
    context: int,
    longest: int,
    ollama: str = NOT_ASKED,
) -> str:
    """Write the Modelfile for a file that lies beside it. `context` is the model's own, `longest` that of a row.

    `ollama` is what came of asking Ollama with it, see `GgufCheck`.
    """
    name = " ".join(name.split())
    source = None if template is None else template.source
    said = "# The template was compared with the studio's, text for text, but not by Ollama.\n"
    if source is None or _QUOTES in source:
        source = None
        said = (
            "# There is no TEMPLATE here: none could be shown to write the same prompts. Ollama picks one by the chat\n"
            "# template in the file, so compare its answers with the studio's before you rely on them.\n"
        )
    lines = [f'PARAMETER stop "{stop}"' for stop in stops if '"' not in stop and stop.strip()]
    room = max(LEAST_CONTEXT, longest)
    lines += [f"PARAMETER num_ctx {min(context, room) if context else room}"]
    lines += ["PARAMETER temperature 0", "PARAMETER repeat_penalty 1"]
    return (
        f"# {name}, made with LoRA Studio. To use it: ollama create NAME -f THIS_FILE\n"
        f"# llama.cpp was asked and gave the checked answers. {_ASKED[ollama]}\n"
        f"{said}FROM ./{file}\n"
        + ("" if source is None else f"TEMPLATE {_QUOTES}{source}{_QUOTES}\n")
        + "\n".join(lines)
    )
