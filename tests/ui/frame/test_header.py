from studio.jobs.jobs import JobState
from studio.ui.frame.header import header, machine


def test_the_header_says_where_the_model_is() -> None:
    assert "Starter model: ready" in header("2 CPU cores", "starter", JobState("ready", "The starter model is ready."))
    coming = JobState("working", "Downloading", done=45_000_000, total=92_900_000, unit="bytes")
    assert "Downloading: 45.0 MB of 92.9 MB" in header("2 CPU cores", "starter", coming)


def test_the_machine_is_named_by_its_card() -> None:
    assert machine(["NVIDIA L4"]).startswith("NVIDIA L4, ")
    assert "CPU cores" in machine([])


def test_a_card_that_is_not_used_is_no_secret() -> None:
    """A run went to the processor in silence while the header showed the card."""
    drawn = header("NVIDIA L4", "starter", JobState("ready", "Ready."), trouble="The graphics card is not used: <why>.")
    assert "The graphics card is not used: &lt;why&gt;." in drawn
