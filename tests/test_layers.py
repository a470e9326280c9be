"""Each layer imports only what stands above it. The table is the one in CONTRIBUTING.md."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLAIN = frozenset(
    "codec config enough errors events files graphics_card homes keeping limits logs priority settings shelf visitors"
    " wording".split()
)
BELOW_THE_PAGE = {"data", "models", "runs", "jobs", "compare"}
LAYERS = {
    "data": {"data"},
    "models": {"data", "models"},
    "runs": {"data", "models", "runs"},
    "jobs": {"data", "models", "runs", "jobs"},
    "compare": {"data", "models", "runs", "jobs", "compare"},
    "mirror": {"models", "mirror"},
    "studio": BELOW_THE_PAGE | {"mirror"},
    "planning": {"data", "models", "runs", "jobs", "studio", "planning"},
    "accounts": BELOW_THE_PAGE | {"studio", "accounts"},
    "ml": {"data", "models", "ml"},
    "workers": {"data", "models", "runs", "jobs", "compare", "ml", "workers"},
    "openai_api": BELOW_THE_PAGE | {"studio", "planning", "openai_api"},
    "ui": BELOW_THE_PAGE | {"mirror", "studio", "planning", "accounts", "openai_api", "ui"},
    "cli": BELOW_THE_PAGE | {"mirror", "studio", "planning", "accounts", "ui", "cli"},
}
HEAVY = {"torch", "transformers", "peft", "bitsandbytes", "accelerate"}
FOREIGN = {
    "data": HEAVY | {"gradio", "huggingface_hub"},
    "models": HEAVY | {"gradio"},
    "mirror": HEAVY | {"gradio"},
    **{
        layer: HEAVY | {"gradio", "huggingface_hub"}
        for layer in ("runs", "jobs", "compare", "studio", "planning", "accounts", "openai_api")
    },
    "ml": {"gradio"},
    "workers": {"gradio"},
    "ui": HEAVY,
    "cli": HEAVY,
}
TABS = {"data", "configure", "train", "compare", "evaluate", "export", "runs"}


def imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in the file it does."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files() -> list[Path]:
    return sorted((ROOT / "studio").rglob("*.py"))


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_imports_its_own_layer_and_those_above(file: Path) -> None:
    parts = file.relative_to(ROOT / "studio").with_suffix("").parts
    layer = parts[0] if len(parts) > 1 or parts[0] == "studio" else "plain"
    for name in imports(file):
        top, *rest = name.split(".")
        if top == "studio" and rest and rest[0] not in PLAIN:
            assert layer != "plain", f"{file.name} is plain and imports {name}"
            assert rest[0] in LAYERS[layer], f"{layer} must not import {name}"
        elif layer == "plain":
            assert top in sys.stdlib_module_names or top == "studio", f"{file.name} is plain and imports {name}"
        else:
            assert top not in FOREIGN[layer], f"{layer} must not import {name}"


def test_every_folder_is_a_layer() -> None:
    folders = {path.relative_to(ROOT / "studio").parts[0] for path in files() if path.parent != ROOT / "studio"}
    assert folders == set(LAYERS) - {"studio"}


def test_every_file_of_the_page_is_in_the_folder_of_its_tab() -> None:
    """`frame` stands around the tabs, `kit` is what all are made of, `serving` and `accounts` stand before the page."""
    page = ROOT / "studio" / "ui"
    assert {file.stem for file in page.glob("*.py")} == {"__init__", "app", "api"}
    around = {"accounts", "frame", "kit", "language", "serving"}
    assert {path.parent.name for path in page.glob("*/__init__.py")} == TABS | around


def test_the_kit_knows_no_tab() -> None:
    for file in (ROOT / "studio" / "ui" / "kit").glob("*.py"):
        rooms = {name.split(".")[2] for name in imports(file) if name.startswith("studio.ui.")}
        assert rooms <= {"kit"}, file


def test_the_rooms_of_the_data_layer_know_nothing_of_one_another() -> None:
    """`sources`, `conversion`, `checking` and `tokenizing` meet in `inspection` alone; `scoring` is met by workers."""
    rooms = {path.name for path in (ROOT / "studio" / "data").iterdir() if (path / "__init__.py").is_file()}
    assert rooms == {"sources", "conversion", "checking", "tokenizing", "scoring"}
    for room in rooms:
        for file in (ROOT / "studio" / "data" / room).glob("*.py"):
            others = {name.split(".")[2] for name in imports(file) if name.startswith("studio.data.")}
            assert not others & (rooms - {room}), file


@pytest.mark.parametrize("module", ["studio.ui.app", "studio.cli.main"])
def test_the_page_and_the_command_line_never_import_torch(module: str) -> None:
    script = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
