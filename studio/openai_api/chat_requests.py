"""A request for an answer, read strictly and turned into what the chat worker is asked."""

import json
from dataclasses import dataclass
from typing import Any

from studio.compare.chat_protocol import Write
from studio.data.examples import Message, ToolCall
from studio.errors import TooMany
from studio.limits import LONGEST_ANSWER_NOUN, Limits, require_within
from studio.models.adapter_settings import STRONGEST
from studio.openai_api.fields import Fields, kind
from studio.openai_api.names import Chosen
from studio.openai_api.shapes import refused

MOST_STOPS = 4
MOST_TOLD = 20
MOST_TOOLS = 128
_LARGEST_SEED = 2**63 - 1
_SEEDS = 2**31
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


@dataclass(frozen=True)
class ChatRequest:
    """What a program asks. `told` is how many likeliest tokens it wants with each, -1 for nothing of the kind."""

    model: str
    strength: float | None
    messages: tuple[Message, ...]
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    stop: tuple[str, ...]
    tools: str
    told: int
    is_streamed: bool
    counts_usage: bool

    def write(self, chosen: Chosen) -> Write:
        """Return what the chat worker is asked, of the model that was found."""
        return Write(
            id=0,
            adapter=chosen.model.folder,
            messages=self.messages,
            strength=chosen.strength,
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_tokens,
            seed=self.seed,
            tools=self.tools,
            stop=self.stop,
            told=self.told,
        )


def read_chat(body: object, limits: Limits, *, seed: int) -> ChatRequest:
    """Read a request; `seed` is for one that gives none. Raises ApiError with what is wrong in it."""
    fields = Fields(body)
    model = fields.text("model")
    strength = None if fields.given("strength") is None else fields.number("strength", 1.0, low=0, high=STRONGEST)
    messages = _messages(fields.given("messages"), limits)
    is_streamed, told = fields.flag("stream"), _told(fields)
    request = ChatRequest(
        model=model,
        strength=strength,
        messages=messages,
        temperature=fields.number("temperature", 1.0, low=0, high=2),
        top_p=fields.number("top_p", 1.0, low=0, high=1),
        max_tokens=_max_tokens(fields, limits),
        seed=fields.whole("seed", seed, low=-_LARGEST_SEED, high=_LARGEST_SEED) % _SEEDS,
        stop=_stops(fields),
        tools=_tools(fields),
        told=told,
        is_streamed=is_streamed,
        counts_usage=_counts_usage(fields, is_streamed=is_streamed),
    )
    _refuse_the_rest(fields)
    return request


def _refuse_the_rest(fields: Fields) -> None:
    fields.only("n", (1,), "One answer is given to a request. Ask again with another seed for another one.")
    for name in ("presence_penalty", "frequency_penalty"):
        fields.only(name, (0,), f"This studio draws answers without a {name}. Leave it out, or give 0.")
    fields.only("logit_bias", ({},), "This studio changes the odds of no single token. Leave logit_bias out.")
    fields.only(
        "response_format", ({"type": "text"},), "Answers are text here: a form that they must have cannot be asked for."
    )
    fields.only("modalities", (["text"],), "Answers are text here.")
    fields.only("service_tier", ("auto", "default"), "There is one tier of service here. Leave service_tier out.")
    fields.only("store", (False,), "Answers are not kept by this studio. Leave 'store' out.")
    fields.passed_over("user", "metadata", "safety_identifier", "prompt_cache_key", "parallel_tool_calls")
    fields.refuse_unknown()


def _messages(value: Any, limits: Limits) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise refused(f"'messages' must be a list with at least one message; found {kind(value)}.", "messages")
    try:
        require_within(limits, "conversation_turns", len(value) // 2, "questions for a conversation")
        messages = tuple(_message(item, f"messages[{place}].") for place, item in enumerate(value))
        longest = max(len(message.content) for message in messages)
        require_within(limits, "prompt_characters", longest, "characters for a message")
    except TooMany as error:
        raise refused(str(error), "messages", code="context_length_exceeded") from error
    return messages


def _message(value: Any, path: str) -> Message:
    fields = Fields(value, path)
    role = fields.text("role")
    if role not in _ROLES:
        raise refused(f"'{fields.name('role')}' is none of {', '.join(_ROLES)}.", fields.name("role"))
    calls = _calls(fields.given("tool_calls"), fields.name("tool_calls")) if role == "assistant" else ()
    content = _content(fields.given("content"), fields.name("content"), may_be_empty=bool(calls))
    name = fields.text("name", "")
    tool_call_id = fields.text("tool_call_id", "") if role == "tool" else ""
    fields.passed_over("refusal", "annotations", "audio", "function_call")
    fields.refuse_unknown()
    return Message(_ROLES[role], content, calls, name if role == "tool" else "", tool_call_id)


def _calls(value: Any, name: str) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise refused(f"'{name}' must be a list of calls; found {kind(value)}.", name)
    calls = []
    for place, item in enumerate(value):
        call = Fields(item, f"{name}[{place}].")
        call.only("type", ("function",), "Tools are functions here: no other kind is known.")
        function = Fields(call.given("function"), f"{name}[{place}].function.")
        arguments = function.text("arguments", "{}", longest=2**31)
        calls.append(ToolCall(function.text("name"), arguments, call.text("id", "")))
    return tuple(calls)


def _content(value: Any, name: str, *, may_be_empty: bool) -> str:
    if value is None and may_be_empty:
        return ""
    if isinstance(value, str):
        return _written(value, name)
    if not isinstance(value, list):
        raise refused(f"'{name}' must be a text or a list of texts; found {kind(value)}.", name)
    parts = []
    for place, part in enumerate(value):
        fields = Fields(part, f"{name}[{place}].")
        if fields.text("type") != "text":
            raise refused("This studio's models read text alone: no images, sounds or files.", fields.name("type"))
        parts.append(_written(fields.text("text", longest=2**31), name))
    return "\n".join(parts)


def _written(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise refused(f"'{name}' holds half a character.", name) from error
    return text


def _max_tokens(fields: Fields, limits: Limits) -> int:
    both = {name: fields.whole(name, 0, low=1, high=2**31) for name in ("max_completion_tokens", "max_tokens")}
    found = both["max_completion_tokens"] or both["max_tokens"]
    try:
        require_within(limits, "answer_tokens", found, LONGEST_ANSWER_NOUN)
    except TooMany as error:
        raise refused(str(error), "max_tokens") from error
    return found or limits.answer_tokens


def _stops(fields: Fields) -> tuple[str, ...]:
    value = fields.given("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > MOST_STOPS or not all(isinstance(one, str) for one in stops):
        raise refused(f"'stop' must be a text, or a list of at most {MOST_STOPS}.", "stop")
    if any(not one or len(one) > 1000 for one in stops):
        raise refused("A text in 'stop' has from 1 to 1,000 characters.", "stop")
    return tuple(stops)


def _tools(fields: Fields) -> str:
    value, choice = fields.given("tools"), fields.given("tool_choice")
    if choice not in (None, "auto", "none"):
        raise refused(
            "A call of a tool cannot be forced here: the model decides. Give 'auto' or 'none' as tool_choice.",
            "tool_choice",
            code="unsupported_parameter",
        )
    if value is None or value == []:
        return ""
    if not isinstance(value, list) or len(value) > MOST_TOOLS:
        raise refused(f"'tools' must be a list of at most {MOST_TOOLS} functions; found {kind(value)}.", "tools")
    for place, each in enumerate(value):
        tool = Fields(each, f"tools[{place}].")
        if tool.text("type") != "function":
            raise refused("Tools are functions here: no other kind is known.", tool.name("type"))
        Fields(tool.given("function"), tool.name("function.")).text("name", longest=64)
    return "" if choice == "none" else as_json(value)


def _told(fields: Fields) -> int:
    wants, told = fields.flag("logprobs"), fields.whole("top_logprobs", -1, low=0, high=MOST_TOLD)
    if told >= 0 and not wants:
        raise refused("'top_logprobs' is told only where 'logprobs' is true.", "top_logprobs")
    return max(told, 0) if wants else -1


def _counts_usage(fields: Fields, *, is_streamed: bool) -> bool:
    given = fields.given("stream_options")
    if given is None:
        return False
    if not is_streamed:
        raise refused("'stream_options' belongs to an answer that is streamed.", "stream_options")
    options = Fields(given, "stream_options.")
    counts = options.flag("include_usage")
    options.passed_over("include_obfuscation")
    options.refuse_unknown()
    return counts


def as_json(value: object) -> str:
    """Write a value as JSON, on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
