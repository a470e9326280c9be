import re
from xml.etree import ElementTree

from studio.ui.configure import explanations


def test_each_explanation_has_a_picture_that_is_read_out_and_a_text() -> None:
    for wanted in (explanations.METHODS, explanations.ADAPTER):
        made = str(explanations.row(wanted))
        assert made.count("<summary>") == len(wanted)
        assert made.count('role="img" aria-label="') == len(wanted)
        assert len(re.findall(r"<p>.{100,}?</p>", made, re.DOTALL)) == len(wanted)


def test_the_markup_is_whole() -> None:
    ElementTree.fromstring(str(explanations.row((*explanations.METHODS, *explanations.ADAPTER))))


def test_no_picture_has_a_colour_of_its_own() -> None:
    """It would not follow from light to dark."""
    assert not re.search(r"#[0-9a-f]{3}|fill=|stroke=", str(explanations.row(explanations.ADAPTER)))
