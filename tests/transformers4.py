"""An environment with the newest transformers 4, which has everything else from the one that runs the tests."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

_SECONDS = 180


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
    )


@pytest.fixture(scope="session")
def transformers4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of that environment. Only transformers and what it needs in other versions are fetched."""
    folder = tmp_path_factory.mktemp("transformers4") / "environment"
    python = folder / "bin" / "python"
    made = _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    assert made.returncode == 0, made.stderr
    (own,) = folder.glob("lib/python3*/site-packages")
    (own / "running.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n", encoding="utf-8")
    try:
        fetched = _run(str(python), "-m", "pip", "install", "--quiet", "transformers>=4.57,<5")
        trouble = fetched.stderr.strip() if fetched.returncode else ""
    except subprocess.TimeoutExpired:
        trouble = f"no answer within {_SECONDS} seconds"
    if trouble:
        pytest.skip(f"pip could not fetch transformers 4: {trouble.splitlines()[-1]}")
    version = _run(str(python), "-c", "import transformers; print(transformers.__version__)")
    assert version.stdout.startswith("4."), version.stderr
    return python
