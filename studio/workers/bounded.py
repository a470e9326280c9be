"""The tokenizer and chat template of a model, as a worker may use them: with bounds on their time and memory."""

from pathlib import Path

from studio.data.tokenizing.limits import ProcessBounds
from studio.data.tokenizing.rendering import ChatRenderer


def load_renderer(folder: Path) -> ChatRenderer:
    """Read a model's tokenizer and chat template. What takes too long ends this process, and its log says so.

    Raises ModelError when they cannot be read.
    """
    return ChatRenderer.load(folder, bounds=ProcessBounds())
