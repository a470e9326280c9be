"""Ask a GGUF as llama.cpp reads it: `python llama_asking.py ORDER ANSWER`, a process that imports no studio.

llama.cpp comes as xllamacpp: built wheels for Linux, macOS and Windows, so that nothing is compiled. Its server is
asked on an address of this machine, with a key that only this process knows. `studio.ml.gguf_check` writes the order.
"""

import json
import secrets
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import xllamacpp

BIAS = 1000.0
"""Makes a token the next one, whatever the model says."""

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Llama:
    """llama.cpp with a file, and adapters on it, each with a scale."""

    def __init__(self, file: str, *, threads: int, context: int, adapters: list[tuple[str, float]]) -> None:
        self._key = secrets.token_urlsafe()
        parameters = xllamacpp.CommonParams()
        parameters.model.path = file
        parameters.n_ctx, parameters.n_parallel = context, 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, scale) for path, scale in adapters]
        parameters.n_gpu_layers = 0  # one and the same arithmetic on every machine
        parameters.port, parameters.api_keys = 0, [self._key]
        parameters.ui = parameters.endpoint_slots = parameters.warmup = False
        self._server = xllamacpp.Server(parameters)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Ask the server. Raises OSError when it refuses."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        address = f"{self._server.listening_address}{path}"
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        with _OPENER.open(request) as answer:
            return json.loads(answer.read())

    def write_prompt(self, conversation: list[dict[str, str]]) -> tuple[str, list[int]]:
        """Write a conversation with the template of the file, as text and as ids."""
        text = self.post("/apply-template", {"messages": conversation})["prompt"]
        ids = self.post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]
        return text, ids

    def next_token(self, ids: list[int], *, likeliest: int) -> tuple[int, bool, list[tuple[int, float]]]:
        """Return the likeliest next token, whether llama.cpp stops at it, and the likeliest ones with their log p.

        It tells no likelihoods at a token that is the beginning of a letter, as those of emoji are.
        """
        said = self.post("/completion", {**_ONE, "prompt": ids, "n_probs": likeliest})
        offered = said["completion_probabilities"][0]["top_logprobs"] if "completion_probabilities" in said else []
        return said["tokens"][0], said["stop_type"] == "eos", [(each["id"], each["logprob"]) for each in offered]

    def answer(self, ids: list[int], *, most: int) -> list[int]:
        """Answer a question greedily, until llama.cpp stops or has written so many tokens."""
        said = self.post("/completion", {**_ONE, "prompt": ids, "n_predict": most})
        tokens: list[int] = said["tokens"]
        return tokens

    def stops_at(self, token: int, *, after: list[int]) -> bool:
        """Tell whether llama.cpp takes a token for the end of an answer."""
        said = self.post("/completion", {**_ONE, "prompt": after, "n_predict": 2, "logit_bias": [[token, BIAS]]})
        return bool(said["stop_type"] == "eos" and said["tokens"] == [token])


_ONE = {"n_predict": 1, "temperature": 0.0, "return_tokens": True, "cache_prompt": True}


def ask(order: dict[str, Any]) -> Any:
    """Load the file of an order and answer it."""
    llama = Llama(
        order["file"], threads=order["threads"], context=order["context"], adapters=list(map(tuple, order["adapters"]))
    )
    if "whole" in order:
        return [llama.answer(ids, most=most) for ids, most in order["whole"]]
    prompts = []
    for conversation in order["conversations"]:
        try:
            text, ids = llama.write_prompt(conversation)
            prompts.append({"text": text, "ids": ids})
        except OSError as error:
            said = error.read().decode(errors="replace") if isinstance(error, urllib.error.HTTPError) else str(error)
            prompts.append({"refused": said})
    answers = []
    for question in order["questions"]:
        answer: dict[str, list[Any]] = {"ids": [], "likeliest": []}
        while len(answer["ids"]) < order["answer_tokens"]:
            token, ends, offered = llama.next_token([*question, *answer["ids"]], likeliest=order["likeliest"])
            answer["ids"].append(token)
            answer["likeliest"].append(offered)
            if ends or token in order["ends"]:
                break
        answers.append(answer)
    after = order["questions"][0]
    stops = [token for token in order["ends"] if llama.stops_at(token, after=after)]
    return {"prompts": prompts, "answers": answers, "ends": stops}


if __name__ == "__main__":
    asked, answered = map(Path, sys.argv[1:])
    answered.write_text(json.dumps(ask(json.loads(asked.read_text(encoding="utf-8")))), encoding="utf-8")
