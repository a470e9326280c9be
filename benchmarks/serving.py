"""Tokens a second of answers to 1, 4 and 8 programs at once: the studio's address beside llama.cpp and transformers.

    python benchmarks/serving.py --model FOLDER --rounds 3

One client asks them all, OpenAI's own package: the studio (`python app.py`), llama.cpp's server on the same weights in
f16 (through xllamacpp), and, without a server, transformers' own `generate`, one question after the other and all in
one batch. "mixed" asks the studio's base and an adapter on it in turn. Each runs in a process of its own.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
from common import ROOT, say
from trained_run import model_or_starter, train

from studio.ml import gguf_converting
from studio.openai_api.keys import ApiKey
from studio.runs.precision import precision_of

CLIENTS = (1, 4, 8)
CONTEXT = 1024
QUESTIONS = (
    "Explain how a kettle knows when to switch itself off.",
    "Write a short letter to a neighbour about a lost umbrella.",
    "Why is the sea salty, and are lakes ever salty too?",
    "Tell a story about a lighthouse keeper and a storm.",
    "What should I check before buying a used bicycle?",
    "Describe the taste of an orange to somebody who never had one.",
    "How does a library find a book that was put on the wrong shelf?",
    "Give advice to somebody who is about to give a first speech.",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="the folder of a base model (default: the starter)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=64, help="the longest answer")
    parser.add_argument("--llama", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--precision", default="fp32", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.llama is not None:
        return be_llama(given.llama)
    if given.generate is not None:
        return generate(given.generate, given.tokens, given.batch, precision=given.precision)
    with tempfile.TemporaryDirectory() as work:
        compare(model_or_starter(given.model, Path(work)), Path(work), rounds=given.rounds, tokens=given.tokens)
    return 0


def compare(model: Path, work: Path, *, rounds: int, tokens: int) -> None:
    """Measure everyone in turn, round by round, and print the medians."""
    say(f"{os.cpu_count()} cores, load before: {os.getloadavg()[0]:.1f}")
    run = train(model, work)
    gguf_converting.convert(model, work / "model.gguf", "f16")
    found: dict[tuple[str, int], list[float]] = {}

    def note(name: str, clients: int, speed: float) -> None:
        say(f"{name}, {clients} at once: {speed:.1f} tokens a second")
        found.setdefault((name, clients), []).append(speed)

    for _ in range(rounds):
        with studio(work) as (client, base):
            for name, models in (("studio", [base]), ("studio, base and adapter mixed", [base, run.id])):
                ask(client, models, clients=2, tokens=8)  # both are in memory
                for clients in CLIENTS:
                    note(name, clients, ask(client, models, clients=clients, tokens=tokens))
        with llama(work / "model.gguf") as client:
            ask(client, ["model"], clients=1, tokens=8)
            for clients in CLIENTS:
                note("llama.cpp, f16", clients, ask(client, ["model"], clients=clients, tokens=tokens))
        for clients in CLIENTS:
            note("generate, one batch", clients, generated(model, tokens, clients, precision=precision_of(run)))
        one = found[("generate, one batch", 1)][-1]
        for clients in CLIENTS:  # who waits changes nothing in how fast one is answered after the other
            found.setdefault(("generate, one after the other", clients), []).append(one)
    say(f"studio computes in {precision_of(run)}; load after: {os.getloadavg()[0]:.1f}")
    say(f"{'tokens a second, median':36}" + "".join(f"{clients:>10} at once" for clients in CLIENTS))
    for name in dict.fromkeys(name for name, _ in found):
        medians = (statistics.median(found[name, clients]) for clients in CLIENTS)
        say(f"{name:36}" + "".join(f"{median:>18.1f}" for median in medians))


def ask(client: openai.OpenAI, models: Sequence[str], *, clients: int, tokens: int) -> float:
    """Have so many programs ask two questions each, one after the other; return the tokens a second of them all."""

    def one(number: int) -> int:
        written = 0
        for turn in range(2):
            answer = client.chat.completions.create(
                model=models[number % len(models)],
                messages=[{"role": "user", "content": QUESTIONS[(number + 4 * turn) % len(QUESTIONS)]}],
                temperature=0,
                max_tokens=tokens,
            )
            assert answer.usage is not None
            written += answer.usage.completion_tokens
        return written

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        written = sum(pool.map(one, range(clients)))
    return written / (time.perf_counter() - began)


@contextmanager
def studio(home: Path) -> Iterator[tuple[openai.OpenAI, str]]:
    """Serve a data folder; give a client, and the name of the base."""
    port = free_port()
    command = [sys.executable, str(ROOT / "app.py"), "--home", str(home), "--port", str(port), "--no-starter"]
    with process(command):
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=ApiKey(home).read(), timeout=600)
        wait_for(client.models.list)
        base = next(each.id for each in client.models.list() if getattr(each, "kind", "") == "base")
        yield client, base


@contextmanager
def llama(file: Path) -> Iterator[openai.OpenAI]:
    """Serve a GGUF with llama.cpp."""
    with process([sys.executable, __file__, "--llama", str(file)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        address = next(json.loads(line)["address"] for line in server.stdout if line.startswith(b'{"address"'))
        client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", timeout=600)
        wait_for(client.models.list)
        yield client


def be_llama(file: Path) -> int:
    """Be llama.cpp's server with room for as many programs as ask at once, until killed."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(file)
    parameters.n_parallel, parameters.n_ctx = max(CLIENTS), CONTEXT * max(CLIENTS)
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = os.cpu_count() or 1
    parameters.n_gpu_layers, parameters.port = 0, 0
    parameters.cont_batching, parameters.ui = True, False
    server = xllamacpp.Server(parameters)
    say(json.dumps({"address": server.listening_address}))
    while True:
        time.sleep(60)


def generated(model: Path, tokens: int, batch: int, *, precision: str) -> float:
    """Return the tokens a second of transformers' `generate` on a batch of questions, in a process of its own."""
    command = [sys.executable, __file__, "--generate", str(model), "--tokens", str(tokens), "--batch", str(batch)]
    command += ["--precision", precision]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(json.loads(said.splitlines()[-1])["speed"])


def generate(folder: Path, tokens: int, batch: int, *, precision: str) -> int:
    """Answer a batch of questions twice, as `ask` has them, in the studio's precision; print the tokens a second."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=_DTYPES[precision]).eval()
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    def answer(turn: int, longest: int) -> int:
        asked = [[{"role": "user", "content": QUESTIONS[(n + 4 * turn) % len(QUESTIONS)]}] for n in range(batch)]
        inputs = tokenizer.apply_chat_template(
            asked, add_generation_prompt=True, return_dict=True, return_tensors="pt", padding=True
        )
        with torch.inference_mode():
            output = model.generate(**inputs, do_sample=False, max_new_tokens=longest)
        return sum(_length(each, ends) for each in output[:, inputs["input_ids"].shape[1] :].tolist())

    ends = set(torch.tensor(model.generation_config.eos_token_id).flatten().tolist())
    answer(0, 8)  # everything is read into memory
    began = time.perf_counter()
    written = answer(0, tokens) + answer(1, tokens)
    say(json.dumps({"speed": written / (time.perf_counter() - began)}))
    return 0


_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def _length(answer: list[int], ends: set[int]) -> int:
    return next((place for place, token in enumerate(answer) if token in ends), len(answer))


@contextmanager
def process(command: list[str], **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a process for the length of a `with` block."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options}
    started = subprocess.Popen(command, cwd=ROOT, **quiet)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(60)


def wait_for(look: Callable[[], object], *, seconds: float = 180) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            look()
            return
        except openai.APIError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
