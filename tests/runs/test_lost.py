from pathlib import Path

import pytest

from studio.runs import lost


def test_this_computer_says_since_when_it_runs_and_counts() -> None:
    assert lost.boot() == lost.boot()
    assert lost.memory_kills() >= -1


def test_the_counters_are_added_up_and_what_is_not_there_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters, group = tmp_path / "vmstat", tmp_path / "memory.events"
    monkeypatch.setattr(lost, "_COUNTERS", counters)
    monkeypatch.setattr(lost, "_OWN_EVENTS", group)
    monkeypatch.setattr(lost, "_OWN_GROUP", tmp_path / "none")
    monkeypatch.setattr(lost, "_BOOT", tmp_path / "none")
    assert lost.boot() == ""
    assert lost.memory_kills() == -1
    counters.write_text("pgfault 12\noom_kill 3\noom_kill_disable 9\n")
    assert lost.memory_kills() == 3
    group.write_text("low 0\noom 4\noom_kill 2\n")
    assert lost.memory_kills() == 5
    counters.write_text("oom_kill many\n")
    assert lost.memory_kills() == 2


def test_the_group_of_a_container_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "cgroup"
    monkeypatch.setattr(lost, "_OWN_GROUP", own)
    for content, expected in (
        ("0::/user.slice/app\n", Path("/sys/fs/cgroup/user.slice/app/memory.events")),
        ("0::/\n", Path("/nonexistent")),
        ("12:memory:/docker\n", Path("/nonexistent")),
    ):
        own.write_text(content)
        assert lost._group_events() == expected
