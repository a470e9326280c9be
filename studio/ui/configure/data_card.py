"""What a run learns from: the data set with its version, which columns make question and answer, and one example."""

from markupsafe import Markup

from studio.data.set_summary import SetSummary
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.wording import counted


def card(summary: SetSummary | None, *, trouble: str = "") -> Markup:
    """Draw the chosen version of a data set with an example of what is asked and what is learned.

    `trouble` says why it cannot be learned from as it is.
    """
    if summary is None:
        why = trouble or "Add a file or take a sample on the Data tab."
        return _choice("No data set yet", why, button("Choose data", "data", kind="primary"))
    versions = f" of {summary.versions}" if summary.versions > 1 else ""
    said = [f"version {summary.version}{versions}", counted(summary.examples, "example"), summary.columns]
    top = _choice(fragments.own(summary.name), " · ".join(filter(None, said)), button("Change data", "data"))
    if trouble:
        return fragments.stack([top, fragments.line("warning", trouble)])
    rows = [("Asked", summary.question), ("Learned", summary.answer)]
    return fragments.stack([top, _example([row for row in rows if row[1]])])


def _choice(title: str, text: str, action: Markup) -> Markup:
    return Markup(
        '<div class="ls-choice"><div><strong>{}</strong><span class="ls-note">{}</span></div>{}</div>'
    ).format(title, text, action)


def _example(rows: list[tuple[str, str]]) -> Markup:
    items = fragments.join(Markup('<div><dt>{}</dt><dd translate="no">{}</dd></div>').format(*row) for row in rows)
    return Markup('<dl class="ls-example">{}</dl>').format(items) if rows else Markup("")
