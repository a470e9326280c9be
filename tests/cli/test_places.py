"""`python app.py places`: what a person reads who adds a place, checks it and forgets it."""

from pathlib import Path

from studio.jobs.places.book import Check, Place, Places
from studio.jobs.places.protocol import Facts
from tests.cli.test_commands import run


def test_without_a_place_it_says_how_to_add_one(tmp_path: Path) -> None:
    done = run(tmp_path, "places", "list")
    assert done.returncode == 0
    assert "python app.py places add NAME --ray ADDRESS" in done.stdout


def test_a_place_that_does_not_answer_is_kept_and_said_to_be_so(tmp_path: Path) -> None:
    done = run(tmp_path, "places", "add", "lab", "--slurm", "--folder", str(tmp_path / "unmounted"))
    assert "lab is added: a Slurm cluster." in done.stdout
    assert done.returncode == 1
    assert "is not there" in done.stderr or "submitit is not installed" in done.stderr
    listed = run(tmp_path, "places")
    assert "lab" in listed.stdout
    assert run(tmp_path, "places", "remove", "lab").returncode == 0
    assert Places(tmp_path).names() == ()


def test_what_was_found_is_listed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    run(tmp_path, "places", "add", "lab", "--slurm", "--folder", str(shared), "--runs-at-once", "4")
    Places(tmp_path).keep_check("lab", Check(1.0, facts=Facts(host="node-1")))
    listed = run(tmp_path, "places", "list").stdout
    assert "runs can train there" in listed
    assert " 4 " in listed


def test_what_cannot_be_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for arguments, said in (
        (("add", "lab", "--ray", "not an address"), "is not the address of a cluster"),
        (("add", "Lab", "--ray", "http://a:8265"), "cannot be the name"),
        (("add", "lab", "--slurm"), "--folder"),
        (("check", "lab"), "There is no place 'lab'"),
        (("remove", "lab"), "There is no place 'lab'"),
    ):
        done = run(tmp_path, "places", *arguments)
        assert done.returncode == 2, done
        assert said in done.stderr
    missing = tmp_path / "rows.jsonl"
    missing.write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    done = run(tmp_path, "train", "--data", str(missing), "--model", "starter", "--place", "lab")
    assert done.returncode == 2
    assert "There is no place 'lab'" in done.stderr


def test_a_run_asks_for_nodes_only_where_there_can_be_several(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    Places(tmp_path).add(Place("hpc", "slurm", folder=str(tmp_path)))
    for place, said in (("", "asks for 2 nodes, and this machine is one"), ("hpc", "At hpc a run trains on one node")):
        done = run(tmp_path, "train", "--data", str(rows), "--model", "starter", "--place", place, "--nodes", "2")
        assert done.returncode == 2, done
        assert said in done.stderr


def test_nothing_is_rented_without_a_cap_and_without_who_pays(tmp_path: Path) -> None:
    done = run(tmp_path, "places", "add", "rented", "--hub", "t4-small")
    assert done.returncode == 2
    assert "without that nothing is started on rented hardware" in done.stderr
    done = run(tmp_path, "places", "add", "rented", "--hub", "t4-small", "--cap", "5")
    assert done.returncode == 2
    assert "needs an access token of the person who pays for it" in done.stderr
    assert Places(tmp_path).names() == ()
