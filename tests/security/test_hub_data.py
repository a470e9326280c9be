"""A data set of the Hub cannot make the studio read anything but its own files, keep it waiting or fill its disk."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.data.rows import Row, silent
from studio.data.sources.hub_layout import choose_files, is_plain_name, read_configurations
from studio.data.sources.hub_source import Fetched, HubName, fetch_from_hub
from studio.data.sources.readers import open_source
from studio.errors import DataError
from studio.models.hub import Hub
from studio.models.hub_datasets import HubDatasets
from tests.dataset_hub import DatasetHub, card, dataset_hub

pytestmark = pytest.mark.security

ROWS = "question,answer\nWhat is it?,A lighthouse\n"


def fetched(server: DatasetHub, folder: Path, *, split: str = "train", config: str = "") -> Fetched:
    folder.mkdir(exist_ok=True)
    return fetch_from_hub(HubName("me/set", config, split), folder, hub=HubDatasets(server.hub))


@pytest.mark.parametrize(
    "pattern",
    [
        "{secret}",
        "file://{secret}",
        "../secret.csv",
        "../../*/secret.csv",
        "data/../../secret.csv",
        "~/secret.csv",
        "{address}/elsewhere.csv",
        "hf://datasets/other/set/rows.csv",
        "zip://rows.csv::{secret}",
        "/**",
    ],
)
def test_a_card_that_names_files_of_the_server_is_refused(tmp_path: Path, pattern: str) -> None:
    """The `datasets` library read whatever a card named: files of the server, and addresses inside its network."""
    secret = tmp_path / "secret.csv"
    secret.write_text("question,answer\nWhat is secret?,THIS\n")
    with dataset_hub({"rows.csv": ROWS}) as server:
        named = pattern.format(secret=secret, address=server.address)
        server.files["README.md"] = card(path=named).encode()
        with pytest.raises(DataError):
            fetched(server, tmp_path / "files")
        assert not [path for path in server.asked if "elsewhere" in path or "rows" in path or "other" in path]
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file() and b"THIS" in path.read_bytes()]


@pytest.mark.parametrize(
    "described",
    [
        {"configs": [{"config_name": "default", "data_dir": "/etc", "data_files": "*"}]},
        {"configs": [{"config_name": "default", "data_dir": "../..", "data_files": "*.csv"}]},
        {"configs": [{"config_name": "default", "data_files": {"train": ["/etc/hostname", "../x"]}}]},
        {"configs": [{"config_name": "default", "data_files": {"train": {"path": "/etc/hostname"}}}]},
        {"configs": [{"config_name": "default", "data_files": [["/etc/hostname"]]}]},
    ],
)
def test_no_other_field_of_a_card_leads_out_of_the_repository(described: object) -> None:
    """`data_dir` was joined to the patterns, so it could lead out too."""
    text = f"---\n{json.dumps(described)}\n---\n"
    with pytest.raises(DataError):
        choose_files({"rows.csv": 1, "etc/hostname": 1}, read_configurations(text), config="", split="train")


def test_a_card_that_grows_when_it_is_read_does_no_harm() -> None:
    """Lists that hold one another ten times over become gigabytes where they are written out."""
    steps = "\n".join(f"s{n}: &s{n} [{', '.join([f'*s{n - 1}'] * 10)}]" for n in range(1, 30))
    text = f"---\ns0: &s0 [x]\n{steps}\nconfigs:\n- config_name: *s29\n  data_files: *s29\n---\n"
    assert [each.name for each in read_configurations(text)] == ["default"]


@pytest.mark.parametrize(
    "name",
    ["../evil.csv", "/evil.csv", "a/../../evil.csv", "a\\..\\evil.csv", "C:evil.csv", ".cache/evil.csv", "a//b.csv"],
)
def test_names_that_leave_the_folder_are_not_fetched(tmp_path: Path, name: str) -> None:
    """What a repository lists was taken as it stands."""
    assert not is_plain_name(name)
    with dataset_hub({"train.csv": ROWS, name: ROWS}) as server:
        found = fetched(server, tmp_path / "files")
        assert [path.name for path in found.files] == ["train.csv"]
        assert not [path for path in server.asked if "evil" in path]


def test_no_more_is_taken_than_was_said(tmp_path: Path) -> None:
    """Nothing bounded how much a data set brought."""
    with dataset_hub({"train.csv": b"x" * 40_000_000}) as server:
        server.listed["train.csv"] = 1000
        with pytest.raises(DataError, match="larger than the Hub says"):
            fetched(server, tmp_path / "files")


def test_a_set_that_is_too_large_is_not_begun(tmp_path: Path) -> None:
    """A set of any size was begun."""
    with dataset_hub({"train.csv": ROWS}) as server:
        server.listed["train.csv"] = 1 << 50
        with pytest.raises(DataError, match="The first file of this split"):
            fetched(server, tmp_path / "files")
        server.listed["train.csv"] = -1
        with pytest.raises(DataError, match="does not say how large"):
            fetched(server, tmp_path / "files")
        assert not [path for path in server.asked if path.endswith("train.csv")]


def test_a_hub_that_dawdles_is_given_up(tmp_path: Path) -> None:
    """A byte now and then kept a worker for ever: no single wait was too long."""
    with dataset_hub({"train.csv": ROWS}) as server:
        server.seconds = 0.2
        hub = HubDatasets(server.hub, look_seconds=0.5)
        with pytest.raises(DataError, match="too slowly"):
            fetch_from_hub(HubName("me/set"), tmp_path, hub=hub)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "/datasets/other/set/x"])
def test_a_redirect_leads_nowhere_else(tmp_path: Path, target: str) -> None:
    """Found safe: the client follows a redirect to http alone."""
    with dataset_hub({"train.csv": ROWS}) as server:
        server.redirects["train.csv"] = target
        with pytest.raises(DataError):
            fetched(server, tmp_path / "files")


def test_a_visitor_does_not_use_the_owners_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reached the page read the private and gated repositories of whoever runs the studio."""
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_owner")
    with dataset_hub({"README.md": card(path="*.csv"), "rows.csv": ROWS}) as server:
        for token in (None, False):
            server.tokens.clear()
            folder = tmp_path / str(token)
            folder.mkdir()
            hub = HubDatasets(Hub(endpoint=server.address, token=token))
            fetch_from_hub(HubName("me/set"), folder, hub=hub)
            assert any("hf_of_the_owner" in sent for sent in server.tokens) == (token is None)


def test_a_picture_that_is_named_by_a_path_is_not_opened(tmp_path: Path) -> None:
    """`datasets` opens the path that a cell holds where the file says that its column is one of pictures."""
    (tmp_path / "secret.csv").write_text("THIS IS SECRET")
    cells = [{"bytes": None, "path": str(tmp_path / "secret.csv")}]
    features = {"info": {"features": {"image": {"_type": "Image"}}}}
    table = pa.table({"question": ["What?"], "image": cells})
    table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, tmp_path / "rows.parquet")
    with open_source([tmp_path / "rows.parquet"]) as source:
        (row,) = source.rows(silent)
    assert isinstance(row, Row)
    assert "THIS IS SECRET" not in repr(row)


def test_what_a_card_says_is_followed_inside_the_repository(tmp_path: Path) -> None:
    """The cure must not keep good data sets out."""
    files: dict[str, bytes | str] = {"data/one.csv": ROWS, "data/two.csv": ROWS.replace("It", "X"), "other.csv": ROWS}
    with dataset_hub({**files, "README.md": card(path="./data/*.csv", split="fit", config="small")}) as server:
        found = fetched(server, tmp_path / "files", split="fit")
    assert [path.name for path in found.files] == ["one.csv", "two.csv"]
    assert found.files[0].read_text() == ROWS
