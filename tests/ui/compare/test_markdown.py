from html.parser import HTMLParser

import pytest

from studio.ui.compare.markdown import LONGEST, markdown


def test_what_models_write_is_laid_out() -> None:
    text = markdown("# Soup\n\nUse **two** pots,\nand `salt`.\n\n- peel\n- cook\n\n|a|b|\n|-|-|\n|1|2|")
    assert '<p class="ls-said-heading">Soup</p>' in text
    assert "Use <strong>two</strong> pots,<br />\nand <code>salt</code>." in text
    assert "<li>peel</li>" in text
    assert "<td>1</td>" in text


def test_code_has_a_button_that_copies_it() -> None:
    text = markdown("```python\nprint('<b>')\n```")
    assert "<code>print(&#39;&lt;b&gt;&#39;)\n</code></pre>" in text
    assert 'data-copy="code"' in text


@pytest.mark.parametrize(
    "text",
    [
        "<script>window.__hit=1</script>",
        "<img src=x onerror=window.__hit=1>",
        "[a](javascript:window.__hit=1) [b](//x.test) <https://x.test> [c](data:text/html,x)",
        "![a](//x.test/x.png) ![b](data:image/png;base64,AAAA)",
        '[a](https://x.test "t\\" onmouseover=window.__hit=1")',
        "[a]: https://x.test\n\n[a]",
        '```x" onload=window.__hit=1\ncode\n```',
        "&lt;script&gt;window.__hit=1&lt;/script&gt;",
        "# <svg onload=window.__hit=1>\n\n> <iframe src=//x.test>",
    ],
)
def test_nothing_in_an_answer_runs_loads_or_leads_elsewhere(text: str) -> None:
    found = _Found()
    found.feed(markdown(text))
    assert not {"script", "img", "a", "svg", "iframe", "style", "link"} & found.tags
    assert found.attributes <= {"class", "style", "start", "type", "tabindex", "translate", "data-copy", "aria-label"}


class _Found(HTMLParser):
    """The tags and attributes of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_address_of_a_link_and_of_a_picture_is_told() -> None:
    assert "b <small>(https://x.test/b)</small>" in markdown("[b](https://x.test/b)")
    assert "cat <small>(https://x.test/c.png)</small>" in markdown("![cat](https://x.test/c.png)")
    assert markdown("<https://x.test>").count("https://x.test") == 1


@pytest.mark.parametrize("text", ["> " * 40 + "deep", "*a " * LONGEST], ids=["nested", "long"])
def test_what_is_too_deep_or_too_long_is_shown_as_it_came(text: str) -> None:
    """Beyond its depth the library leaves words out, and a long hostile answer takes it seconds."""
    made = markdown(text)
    assert made.startswith('<p class="ls-said-plain">')
    assert made.unescape() == f'<p class="ls-said-plain">{text}</p>'
