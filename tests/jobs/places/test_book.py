"""Places are kept, found and forgotten, and what cannot be one is refused in a sentence."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import ConfigError, RunError
from studio.jobs.places.book import Check, Place, Places
from studio.jobs.places.protocol import Facts

RAY = Place("lab", "ray", address="http://10.0.0.7:8265")
SLURM = Place("slurm-lab", "slurm", folder="/shared/studio", runs_at_once=4)


def test_a_place_is_found_again_by_every_account(tmp_path: Path) -> None:
    added = Places(tmp_path).add(SLURM)
    account = tmp_path / "accounts" / "20260101-000000-abcdef"
    assert Places(account).get("slurm-lab") == added == SLURM
    assert Places(account).runs_at_once("slurm-lab") == 4
    assert Places(tmp_path).runs_at_once("") == 1


def test_the_files_of_a_cluster_without_a_shared_folder_get_an_address_and_a_key(tmp_path: Path) -> None:
    place = Places(tmp_path).add(RAY)
    assert place.files_address == "http://10.0.0.7:8266"
    assert len(place.files_key) >= 40
    file = tmp_path / "places" / "lab" / "place.json"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700, "others could read the key"


def test_a_forgotten_place_is_gone_and_can_be_added_again(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.add(SLURM)
    places.keep_check("slurm-lab", Check(1.0, "It is on fire."))
    places.remove("slurm-lab")
    assert places.names() == ()
    with pytest.raises(RunError, match="no place 'slurm-lab'"):
        places.get("slurm-lab")
    assert places.last_check("slurm-lab") is None
    places.add(SLURM)
    assert places.last_check("slurm-lab") is None


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    Places(tmp_path).add(SLURM)
    with pytest.raises(RunError, match="already"):
        Places(tmp_path).add(SLURM)


def test_damaged_settings_are_a_sentence_and_hide_no_other_place(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.add(SLURM)
    places.add(RAY)
    (tmp_path / "places" / "lab" / "place.json").write_text('{"name": "lab", "kind": "ray", "address": 7}')
    assert [each.name for each in places.all()] == ["slurm-lab"]
    assert places.names() == ("lab", "slurm-lab")
    with pytest.raises(RunError, match="'lab' cannot be read"):
        places.get("lab")
    places.remove("lab")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "../lab"}, "cannot be the name"),
        ({"name": "Lab"}, "cannot be the name"),
        ({"kind": "ftp"}, "no kind of place"),
        ({"address": "10.0.0.7:8265"}, "not the address"),
        ({"address": "file:///etc/passwd"}, "not the address"),
        ({"address": "http://user:secret@host"}, "not the address"),
        ({"address": "http://host:port"}, "not the address"),
        ({"files_address": "host"}, "not the address"),
        ({"scratch": "work"}, "no whole path"),
        ({"runs_at_once": 0}, "at once"),
        ({"gpus": -1.0}, "asks for"),
        ({"hours": 0.0}, "hours"),
    ],
)
def test_what_cannot_be_a_place_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Places(tmp_path).add(replace(RAY, **change))  # type: ignore[arg-type]
    assert not (tmp_path / "places").exists()


def test_slurm_needs_a_shared_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--folder"):
        Places(tmp_path).add(replace(SLURM, folder=""))


def test_only_a_ray_cluster_gives_one_run_several_nodes(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.add(RAY)
    places.add(SLURM)
    for name, nodes in (("", 1), ("lab", 1), ("lab", 3), ("slurm-lab", 1)):
        places.require(name, nodes=nodes)
    with pytest.raises(ConfigError, match="asks for 2 nodes, and this machine is one"):
        places.require("", nodes=2)
    with pytest.raises(ConfigError, match="At slurm-lab a run trains on one node"):
        places.require("slurm-lab", nodes=2)
    with pytest.raises(RunError, match="no place 'gone'"):
        places.require("gone", nodes=2)


def test_as_many_nodes_are_offered_as_the_last_check_found(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.add(RAY)
    assert [places.nodes_of(name) for name in ("", "lab", "gone")] == [1, 1, 1]
    places.keep_check("lab", Check(1.0, facts=Facts(nodes=4)))
    assert places.nodes_of("lab") == 4
    places.keep_check("lab", Check(1.0, "It does not answer.", facts=Facts(nodes=4)))
    assert places.nodes_of("lab") == 1
