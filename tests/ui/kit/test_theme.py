import re
from pathlib import Path

import pytest

from studio.ui.kit.theme import STYLE_SHEETS


@pytest.mark.parametrize("sheet", STYLE_SHEETS, ids=lambda sheet: f"{sheet.parent.name}-{sheet.stem}")
def test_no_has_names_two_things(sheet: Path) -> None:
    """Gradio takes a selector apart at each comma and puts its page before the second part, where `:has` finds none."""
    assert re.findall(r":has\([^()]*,[^()]*\)", sheet.read_text(encoding="utf-8")) == []
