"""The processes of a run over several nodes are numbered as PyTorch's own launcher numbers them."""

import os
from pathlib import Path

import pytest

from studio.jobs.tasks import Train
from studio.workers import ranks
from studio.workers.ranks import interfaces, is_first_of_its_node, node_rank, nodes, rank, together

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "GROUP_RANK", "GROUP_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def seen(processes: int) -> dict[str, str]:
    """Return what a process finds of its number while it works with others."""
    with together(Train(Path("/nowhere")), processes=processes):
        return {name: os.environ.get(name, "") for name in VARIABLES}


def test_a_run_on_one_node_with_one_process_is_alone() -> None:
    assert (rank(), node_rank(), nodes(), is_first_of_its_node()) == (0, 0, 1, True)
    assert set(seen(1).values()) == {""}


def test_each_node_has_a_number_and_is_told_where_the_first_is(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"GROUP_RANK": "2", "GROUP_WORLD_SIZE": "3", "MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "4711"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert (rank(), node_rank(), nodes()) == (2, 2, 3)
    assert seen(1) == {
        "RANK": "2",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "3",
        "MASTER_ADDR": "10.0.0.7",
        "MASTER_PORT": "4711",
    }
    assert rank() == 2, "what it was told is forgotten again"
    assert "RANK" not in os.environ


def test_processes_on_a_node_are_numbered_behind_those_of_the_nodes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUP_RANK", "2")
    assert [ranks._numbered(number, of=4) for number in range(2)] == [
        {"RANK": "8", "LOCAL_RANK": "0"},
        {"RANK": "9", "LOCAL_RANK": "1"},
    ]


def test_pytorch_uses_the_network_by_which_the_others_know_the_node() -> None:
    """By itself gloo takes that of the host's name, which often is one of this machine alone."""
    assert interfaces("127.0.0.1") == {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    assert interfaces("203.0.113.9") == {}
    assert interfaces("") == {}
