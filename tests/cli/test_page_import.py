import subprocess
import sys

from studio.runs.launcher import PROJECT_ROOT

SCRIPT = """
import ast, gc, inspect
find, read, parsed = inspect.getfile, ast.get_source_segment, []
ast.get_source_segment = lambda *given: parsed.append(given) or read(*given)
from studio.cli.page_import import quick_import
with quick_import():
    import gradio
    assert not gc.isenabled()
class Own(gradio.HTML):
    pass
assert inspect.getfile is find and gc.isenabled()
assert inspect.getfile(gradio.HTML).endswith("html.py")
assert callable(gradio.Button.click) and callable(gradio.HTML.click)
print(len(parsed))
"""


def test_gradio_is_imported_without_writing_stubs_for_editors() -> None:
    """It parsed its own sources a hundred times at each start: a second and a half of four."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
