import io
from pathlib import Path

from rich.console import Console

from studio.cli.inspect import inspect
from studio.data.reading_choices import Choices
from studio.settings import Settings


def test_without_an_example_no_model_is_said_to_be_missing(tmp_path: Path) -> None:
    """Of a file whose columns nobody knew it was said that the starter was not on this machine."""
    path = tmp_path / "odd.csv"
    path.write_text("foo,bar\n1,2\n3,4\n")
    told = io.StringIO()
    inspect(
        [path],
        roles=None,
        changes=(),
        choices=Choices(),
        settings=Settings(home=tmp_path),
        model="starter",
        max_length=512,
        as_json=False,
        console=Console(file=told, width=120),
    )
    assert "not counted: there is no example yet" in told.getvalue()
    assert "on this machine" not in told.getvalue()
