from dataclasses import replace

from studio.config import RunConfig
from studio.data.tokenizing.tokens import Bucket, TokenStatistics
from studio.jobs.jobs import JobState
from studio.models.forecast.run_time import RunTime
from studio.planning.fitting import Parts
from studio.ui.data.lengths import bars, figures, meaning, summary, too_long, waiting

TOKENS = TokenStatistics(
    longest=900,
    median=120,
    total=24_000,
    learned=6_000,
    too_long=3,
    answer_cut=2,
    refused=1,
    histogram=(Bucket(0, 50, 9),),
)


def test_the_figures() -> None:
    made = figures(TOKENS, max_length=512)
    assert "24,000" in made
    assert "25 %" in made
    assert "over 512 tokens" in made


def test_what_is_too_long_and_what_becomes_of_it() -> None:
    left_out = too_long(TOKENS, RunConfig())
    assert "3 examples are longer than 512 tokens and will be skipped." in left_out
    assert "If they are shortened, 2 of them would lose the end of their answer" in left_out
    assert "1 example does not fit into the model&#39;s chat template" in left_out
    cut = too_long(TOKENS, RunConfig(overlong="cut"))
    assert "will be shortened." in cut
    assert "2 of them would lose" in cut
    assert too_long(TokenStatistics(10, 5, 100, 50, 0), RunConfig()) == ""


def test_the_steps_of_a_run() -> None:
    settings = RunConfig(batch_size=8, epochs=3)
    parts = Parts(train=100, held_out=10, train_tokens=12_000)
    assert "A run makes 39 steps: 3 times through 100 examples, 8 at a step." in meaning(settings, parts, time=None)
    assert "as soon as the model is here and this machine is measured" in meaning(settings, parts, time=None)
    assert "Training takes 2 to 6 min on this machine." in meaning(settings, parts, time=RunTime(20.0, 180.0))
    evaluated = meaning(settings, parts, time=RunTime(20.0, 180.0, 60.0))
    assert "Training takes 2 to 6 min on this machine, then evaluation up to 2 min in the background." in evaluated
    assert meaning(settings, Parts(), time=None) == ""


def test_the_lengths_in_a_few_words() -> None:
    assert summary(TOKENS, max_length=512) == "typically 120 tokens, 3 over 512"
    assert summary(replace(TOKENS, too_long=0), max_length=512) == "typically 120 tokens, all fit into 512"


def test_how_far_the_counting_is() -> None:
    counting = waiting(JobState("working", "Counting tokens", done=500, total=2000))
    assert "Counting tokens: 500 of 2,000 examples. You can go on meanwhile." in counting
    assert 'aria-valuenow="25"' in counting
    assert "as soon as the model has arrived" in waiting(JobState("none", ""))
    assert "No tokenizer" in waiting(JobState("failed", "No tokenizer."))


def test_what_the_histogram_draws() -> None:
    assert bars(TOKENS, max_length=512) == {"lows": [0], "highs": [50], "counts": [9], "limit": 512}
