"""The import job beyond what `tests/runs/test_imports.py` sees from outside: its bound on memory."""

import subprocess
import sys

BIG = """
from studio.workers.add_data import MOST_MEMORY_GIB, bound_memory
bound_memory()
small = bytearray(100 * 2**20)
try:
    bytearray((MOST_MEMORY_GIB + 1) * 2**30)
except MemoryError:
    print("bounded")
"""


def test_the_memory_of_an_import_is_bounded() -> None:
    done = subprocess.run([sys.executable, "-c", BIG], capture_output=True, text=True, check=False)
    assert done.stdout == "bounded\n", done.stderr
