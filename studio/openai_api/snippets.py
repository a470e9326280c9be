"""How a program asks at the address: its URL, a line for a terminal, and some lines of Python."""

import json
import shlex
from collections.abc import Mapping

from studio.openai_api.shapes import PREFIX
from studio.settings import Settings

QUESTION = "Hello, who are you?"


def url_of(settings: Settings, headers: Mapping[str, str]) -> str:
    """Return the address as somebody reaches the studio whose request has these headers."""
    path = PREFIX.rstrip("/")
    if settings.root_path.startswith(("http://", "https://")):
        return f"{settings.root_path.rstrip('/')}{path}"
    host = headers.get("host") or f"{settings.host}:{settings.port}"
    scheme = "https" if headers.get("x-forwarded-proto", "").split(",")[0].strip() == "https" else "http"
    return f"{scheme}://{host}{settings.root_path.rstrip('/')}{path}"


def curl(address: str, key: str, model: str) -> str:
    """Write the line for a terminal that asks a model."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": QUESTION}]})
    return (
        f"curl {shlex.quote(address + '/chat/completions')} \\\n"
        f"  -H {shlex.quote(f'Authorization: Bearer {key}')} -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(body)}"
    )


def python(address: str, key: str, model: str) -> str:
    """Write the lines of Python that ask a model, with OpenAI's own package."""
    return (
        "from openai import OpenAI  # pip install openai\n\n"
        "client = OpenAI(\n"
        f"    base_url={json.dumps(address)},\n"
        f"    api_key={json.dumps(key)},\n"
        ")\n"
        "answer = client.chat.completions.create(\n"
        f"    model={json.dumps(model, ensure_ascii=False)},\n"
        f'    messages=[{{"role": "user", "content": {json.dumps(QUESTION)}}}],\n'
        ")\n"
        "print(answer.choices[0].message.content)"
    )
