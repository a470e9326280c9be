from pathlib import Path

from studio.jobs.jobs import JobState
from studio.ui.header import graphics_card, header, machine


def test_the_header_says_where_the_model_is() -> None:
    assert "Starter model: ready" in header("2 CPU cores", "starter", JobState("ready", "The starter model is ready."))
    coming = JobState("working", "Downloading", done=45_000_000, total=92_900_000, unit="bytes")
    assert "Downloading: 45.0 MB of 92.9 MB" in header("2 CPU cores", "starter", coming)


def test_a_card_is_named_as_its_driver_names_it(tmp_path: Path) -> None:
    (tmp_path / "0000:01").mkdir()
    (tmp_path / "0000:01" / "information").write_text("Model: \t NVIDIA L4\nIRQ: 5\n", encoding="utf-8")
    assert graphics_card(tmp_path) == "NVIDIA L4"
    assert machine(tmp_path).startswith("NVIDIA L4, ")
    assert "CPU cores" in machine(tmp_path / "nothing")
