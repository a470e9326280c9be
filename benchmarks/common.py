"""What the benchmarks have in common: the model that they measure with, and how they speak."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def starter() -> Path:
    """Find the starter model on this machine. Ends the benchmark with a sentence where it is not there."""
    sys.path.insert(0, str(ROOT))
    from studio.config import STARTER
    from studio.models.locate import locate
    from studio.settings import read_settings

    found = locate(STARTER, read_settings(os.environ).home)
    if found is None:
        raise SystemExit("The starter model is not on this machine yet: start the studio once, or give --model FOLDER.")
    return found.folder


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
