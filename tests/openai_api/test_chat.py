"""Answers for programs: OpenAI's own package asks a served studio with a real worker."""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from peft import LoraConfig, get_peft_model

from studio.config import RunConfig
from studio.ml import loading
from studio.models.starter import starter_folder
from studio.runs.store import RunStore
from tests.live_page import Served
from tests.ml.conftest import FP32
from tests.openai_api.conftest import BASE
from tests.patience import PATIENCE_SECONDS

QUESTION: Any = [{"role": "user", "content": "Is number 3 black?"}]
GREEDY: Any = {"model": BASE, "messages": QUESTION, "temperature": 0, "max_tokens": 12}


def test_the_starter_model_is_there_before_any_run(client: openai.OpenAI) -> None:
    models = client.models.list().data
    assert models[0].id == BASE
    assert client.models.retrieve(BASE).id == BASE
    with pytest.raises(openai.NotFoundError, match=f"The model 'gpt-4o' does not exist. There are: {BASE}"):
        client.models.retrieve("gpt-4o")


def test_an_answer_is_the_same_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**GREEDY)
    assert whole.model == BASE
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    assert whole.usage.prompt_tokens > 10
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 12
    assert whole.choices[0].finish_reason == "length"

    chunks = list(client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.model_dump(exclude_none=True) == whole.usage.model_dump(exclude_none=True)


def test_sampling_and_logprobs_are_as_asked(client: openai.OpenAI) -> None:
    asked = {**GREEDY, "temperature": 1.5, "top_p": 0.9, "logprobs": True, "top_logprobs": 2}
    first, again, other = (client.chat.completions.create(**asked, seed=seed) for seed in (7, 7, 8))
    assert first.choices[0].message.content == again.choices[0].message.content
    assert first.choices[0].message.content != other.choices[0].message.content
    found = first.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    assert len(found.content) == 12
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in found.content)
    streamed = list(client.chat.completions.create(**asked, seed=7, stream=True))
    told = [chunk.choices[0].logprobs for chunk in streamed]
    assert [one for each in told if each and each.content for one in each.content] == found.content


@pytest.fixture(scope="module")
def learned(api_home: Path) -> str:
    """A run in fp32, in which answers are the same to the letter; its adapter was not trained, and says something."""
    settings = RunConfig(name="tuned", precision="fp32")
    run = RunStore(api_home).create(
        settings, dataset_id="x", dataset_name="x", dataset_sha256="", train=(), validation=()
    )
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    base = loading.load_base(starter_folder(api_home), FP32)
    get_peft_model(base, config).save_pretrained(str(run.path / "adapter"))
    return run.id


def test_eight_programs_at_once_get_what_each_would_get_alone(client: openai.OpenAI, learned: str) -> None:
    """Base and adapter, at several strengths, are answered from one copy of the weights."""
    models = [BASE, learned, f"{learned}@0.5", f"{learned}@0"] * 2
    asked = [
        {**GREEDY, "model": model, "messages": [{"role": "user", "content": "What is it? " * (1 + n % 3)}]}
        for n, model in enumerate(models)
    ]

    def answer(request: dict[str, Any]) -> str:
        return client.chat.completions.create(**request).choices[0].message.content or ""

    alone = list(map(answer, asked))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(answer, asked)) == alone
    assert alone[0] not in (alone[1], alone[2])
    base = answer({**asked[3], "model": BASE})
    assert base == alone[3], "at strength 0 an adapter says what its base says"


@pytest.mark.parametrize(
    ("change", "param", "sentence"),
    [
        ({"temperature": 3}, "temperature", "'temperature' must be from 0 to 2; found 3."),
        ({"temperature": "hot"}, "temperature", "'temperature' must be a number; found a text."),
        ({"max_tokens": 0}, "max_tokens", "'max_tokens' must be from 1"),
        ({"max_tokens": 10**6}, "max_tokens", "tokens for the longest answer are too many"),
        ({"messages": []}, "messages", "at least one message"),
        ({"messages": [{"role": "cat", "content": "x"}]}, "messages[0].role", "none of system"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "must be a text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages[0].content[0].type",
            "models read text alone",
        ),
        ({"n": 2}, "n", "One answer"),
        ({"frequency_penalty": 1}, "frequency_penalty", "without a frequency_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format", "Answers are text here"),
        ({"tool_choice": "required"}, "tool_choice", "cannot be forced"),
        ({"tools": [{"type": "function", "function": {"name": "look"}}]}, None, "no place for tools"),
        ({"stop": [""]}, "stop", "from 1 to 1,000 characters"),
        ({"top_logprobs": 2}, "top_logprobs", "only where 'logprobs' is true"),
        ({"extra_body": {"unheard_of": 1}}, "unheard_of", "not known to this studio"),
        ({"extra_body": {"strength": 0.5}}, "strength", "Only an adapter has a strength"),
        ({"model": f"{BASE}@9"}, "model", "no strength of 9"),
    ],
)
def test_what_is_not_supported_is_a_sentence_in_their_shape(
    client: openai.OpenAI, change: dict[str, Any], param: str | None, sentence: str
) -> None:
    with pytest.raises(openai.BadRequestError, match="400") as caught:
        client.chat.completions.create(**{**GREEDY, **change})
    assert isinstance(caught.value.body, dict)
    assert sentence in caught.value.body["message"]
    assert (caught.value.body["type"], caught.value.body["param"]) == ("invalid_request_error", param)


def test_a_conversation_beyond_the_context_is_a_sentence(client: openai.OpenAI) -> None:
    long: Any = [{"role": "user", "content": "word " * 1000}]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="this model reads at most 2,048"):
            client.chat.completions.create(**{**GREEDY, "messages": long}, stream=stream)


def test_the_key_is_asked_for(connect: Callable[..., openai.OpenAI], api_server: Served) -> None:
    with pytest.raises(openai.AuthenticationError, match="The key is missing or wrong"):
        connect("sk-wrong").models.list()
    assert httpx.get(f"{api_server.address}/v1/models").status_code == 401


def test_another_page_is_refused_in_their_shape(api_server: Served) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = httpx.post(f"{api_server.address}/v1/chat/completions", headers=headers, json={})
    assert answer.status_code == 403
    assert "Another web page" in answer.json()["error"]["message"]


def test_what_is_not_here_is_a_sentence(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="This studio has nothing for POST /v1/embeddings"):
        client.embeddings.create(model=BASE, input="x")
    with pytest.raises(openai.NotFoundError, match="This studio has nothing for GET /v1/chat/completions"):
        client.chat.completions.list()


def test_a_request_of_ten_megabytes_is_a_sentence(client: openai.OpenAI) -> None:
    long: Any = [{"role": "user", "content": "x" * 10_000_000}]
    with pytest.raises(openai.APIStatusError, match="longer than 8 MiB") as caught:
        client.chat.completions.create(**{**GREEDY, "messages": long})
    assert caught.value.status_code == 413
    assert client.chat.completions.create(**GREEDY).choices[0].message.content


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_the_answer_of_a_program_that_hangs_up_stops_being_made(
    client: openai.OpenAI, api_server: Served, stream: bool
) -> None:
    """What it would still write holds the turn: a base in another form cannot be asked until it has ended."""
    client.chat.completions.create(**GREEDY)  # the model is in memory
    body = json.dumps({**GREEDY, "max_tokens": 1900, "stream": stream}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {client.api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", api_server.port)) as program:
        program.sendall(head.encode() + body)
        time.sleep(0.3)
        if stream:
            assert program.recv(4096).startswith(b"HTTP/1.1 200")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while writing():
        assert time.monotonic() < deadline, "it goes on"
        time.sleep(0.05)
    assert client.chat.completions.create(**GREEDY).usage.completion_tokens == 12  # type: ignore[union-attr]


def writing() -> bool:
    """Whether an answer is on its way: its thread waits for the worker."""
    frames = (sys._current_frames().get(thread.ident or 0) for thread in threading.enumerate())
    for frame in frames:
        while frame is not None:
            if frame.f_code.co_name == "_written":
                return True
            frame = frame.f_back
    return False
