"""What the chat worker says of one answer, as a completion or as its chunks in OpenAI's shape."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.compare.chat_protocol import Answered, FromWorker, Odds, Token, Trouble
from studio.data.examples import ToolCall
from studio.openai_api.shapes import ApiError, refused

_BYTES_ARE_PART = "\N{REPLACEMENT CHARACTER}"


@dataclass
class Completion:
    """One answer while it comes. `created` is in seconds since the epoch; with `told` logprobs are part of it."""

    model: str
    created: int
    told: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    text: str = ""
    odds: list[Odds] = field(default_factory=list)
    answered: Answered | None = None

    def take(self, said: FromWorker | None) -> Iterator[dict[str, Any]]:
        """Take what the worker says, and yield the chunks that it makes. Raises ApiError for trouble."""
        match said:
            case Trouble():
                raise refused(f"{said.message} {said.hint}".strip())
            case Token():
                if not self.text and not self.odds:
                    yield self._chunk({"role": "assistant", "content": ""})
                self.text += said.text
                self.odds += said.odds
                yield self._chunk({"content": said.text}, odds=said.odds)
            case Answered() if said.ended == "failed":
                raise ApiError(500, said.trouble or "The model could not answer.")
            case Answered():
                if not self.text and not self.odds:
                    yield self._chunk({"role": "assistant", "content": None if said.calls else ""})
                self.answered = said
                if said.calls:
                    calls = [{"index": place, **_call(call)} for place, call in enumerate(said.calls)]
                    yield self._chunk({"tool_calls": calls})
                yield self._chunk({}, finish=self._finish)

    @property
    def _finish(self) -> str:
        assert self.answered is not None
        if self.answered.calls:
            return "tool_calls"
        return "stop" if self.answered.ended == "end" else "length"

    @property
    def usage(self) -> dict[str, Any]:
        """How many tokens were read and written. The answer must be complete."""
        assert self.answered is not None
        asked, written = self.answered.asked, self.answered.tokens
        return {"prompt_tokens": asked, "completion_tokens": written, "total_tokens": asked + written}

    @property
    def document(self) -> dict[str, Any]:
        """The whole answer. It must be complete."""
        assert self.answered is not None
        calls = self.answered.calls
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.text if self.text or not calls else None,
            "refusal": None,
        }
        if calls:
            message["tool_calls"] = [_call(call) for call in calls]
        choice = {"index": 0, "message": message, "logprobs": self._logprobs(self.odds), "finish_reason": self._finish}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage}

    @property
    def usage_chunk(self) -> dict[str, Any]:
        """The last chunk of an answer whose usage is counted."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage}

    def _chunk(self, delta: dict[str, Any], *, odds: Sequence[Odds] = (), finish: str | None = None) -> dict[str, Any]:
        logprobs = self._logprobs(odds) if odds else None
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": None,
        }

    def _logprobs(self, odds: Sequence[Odds]) -> dict[str, Any] | None:
        if not self.told:
            return None
        content = [
            {**_token(each.token, each.logprob), "top_logprobs": [_token(*one) for one in each.likeliest]}
            for each in odds
        ]
        return {"content": content, "refusal": None}


def _token(text: str, logprob: float) -> dict[str, Any]:
    known = None if _BYTES_ARE_PART in text else list(text.encode())
    return {"token": text, "logprob": logprob, "bytes": known}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id or f"call_{secrets.token_hex(12)}", "type": "function", "function": function}
