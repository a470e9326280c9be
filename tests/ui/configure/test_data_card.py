from dataclasses import replace

from studio.data.set_summary import SetSummary
from studio.ui.configure.data_card import card

SUMMARY = SetSummary("id", "shop", 1, 1, 10, "question → answer", "Open <b>now</b>?", "Yes.")


def test_the_version_and_what_is_learned_from_it_are_named() -> None:
    made = card(SUMMARY)
    assert '<strong><span translate="no">shop</span></strong>' in made
    assert "version 1 · 10 examples · question → answer" in made
    assert '<dt>Asked</dt><dd translate="no">Open &lt;b&gt;now&lt;/b&gt;?</dd>' in made
    assert '<dt>Learned</dt><dd translate="no">Yes.</dd>' in made
    assert "Change data" in made
    assert "version 2 of 3 ·" in card(replace(SUMMARY, version=2, versions=3))


def test_plain_text_has_no_question() -> None:
    assert "Asked" not in card(replace(SUMMARY, question="", columns="plain text in 'story'"))


def test_without_data_the_way_to_it_stands_there() -> None:
    made = card(None)
    assert "No data set yet" in made
    assert 'data-verb="data"' in made
    assert "It is damaged." in card(None, trouble="It is damaged.")


def test_what_is_wrong_with_the_data_takes_the_place_of_the_example() -> None:
    made = card(SUMMARY, trouble="No column is the answer.")
    assert "No column is the answer." in made
    assert "Learned" not in made
