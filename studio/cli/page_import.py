"""Importing what the page is made of, which is most of its start."""

import contextlib
import gc
import inspect
from collections.abc import Iterator


@contextlib.contextmanager
def quick_import() -> Iterator[None]:
    """Spare the imports within the block what only takes time.

    With each of its components Gradio reads its own source again and writes a stub for editors beside it, unless the
    component lies in no file: that is a third of the import. What is imported stays, so nothing is looked for that
    could be freed, neither meanwhile nor later.
    """
    find = inspect.getfile

    def find_others(found: object) -> str:
        if isinstance(found, type) and found.__module__.startswith("gradio."):
            raise OSError("no stub is to be written for this component")
        return find(found)  # type: ignore[arg-type]

    gc.disable()
    inspect.getfile = find_others  # type: ignore[assignment]
    try:
        yield
    finally:
        inspect.getfile = find
        gc.enable()
        gc.freeze()
