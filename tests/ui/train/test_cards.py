from studio.jobs.jobs import JobState
from studio.ui.train import cards
from tests.jobs.test_evaluations import REPORT


def test_the_end_of_a_run_says_how_good_it_became() -> None:
    said = {
        REPORT.headline: JobState("ready", "", result=REPORT),
        "It could not be evaluated: Too large.": JobState("failed", "Too large."),
        "It is being evaluated. Base model: writing answers, 3 of 5.": JobState(
            "working", "Base model: writing answers", done=3, total=5
        ),
        "It is evaluated in a moment.": JobState("waiting", "It is evaluated in a moment."),
    }
    for text, state in said.items():
        assert text in str(cards.evaluation_line(state))
    assert str(cards.evaluation_line(JobState("none", "Not evaluated yet."))) == ""
