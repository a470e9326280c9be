"""Jobs and buckets of a person on a Hub: what is asked, and the sentence for each refusal."""

import http.server
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.errors import NoAnswer, RunError, StorageFull
from studio.models.hub_compute import HubCompute
from tests.bucket_hub import TOKEN, StoredBucket
from tests.jobs_hub import OTHERS, READ_ONLY, JobsHub, jobs_hub
from tests.local_server import serving

BUCKET = "me/b"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[JobsHub]:
    with jobs_hub(tmp_path / "hub", variables={}) as server:
        server.starts = False
        yield server


@pytest.fixture
def mine(hub: JobsHub) -> HubCompute:
    made = HubCompute(TOKEN, endpoint=hub.address)
    made.make_bucket(BUCKET)
    return made


def submit(hub: HubCompute, *, name: str = "job-1", flavor: str = "t4-small") -> None:
    hub.run(
        "me", name=name, image="i", command=["true"], flavor=flavor, seconds=60, variables={}, secrets={"HF_TOKEN": "x"}
    )


def test_prices_are_those_that_the_hub_names(mine: HubCompute) -> None:
    found = {each.name: each for each in mine.hardware()}
    assert found["t4-small"].price_per_hour == pytest.approx(0.4)
    assert found["t4-small"].about == "2 vCPU + 16 GB + 1 x T4 16 GB"
    assert found["cpu-basic"].about == "2 vCPU + 16 GB"


def test_a_job_is_found_by_its_name_and_by_no_other(hub: JobsHub, mine: HubCompute) -> None:
    submit(mine)
    submit(mine, name="job-10")
    found = mine.find("me", "job-1")
    assert found is not None
    assert found.stage == "SCHEDULING"
    assert mine.find("me", "job-") is None
    mine.cancel("me", found.id)
    seen = mine.look("me", found.id)
    assert seen is not None
    assert seen.stage == "CANCELED"
    hub.jobs.clear()
    assert mine.look("me", found.id) is None


def test_whose_jobs_they_are(hub: JobsHub, mine: HubCompute) -> None:
    assert mine.owner("") == "me"
    assert mine.owner("Ours") == "ours"
    with pytest.raises(RunError, match="who is not in 'strangers'"):
        mine.owner("strangers")
    assert HubCompute(OTHERS, endpoint=hub.address).owner("") == "another"
    with pytest.raises(RunError, match="may read and nothing else"):
        HubCompute(READ_ONLY, endpoint=hub.address).owner("")
    with pytest.raises(RunError, match="wrong, or has expired"):
        HubCompute("hf_gone", endpoint=hub.address).owner("")


REFUSALS = [
    (401, RunError, "wrong, or has expired", RunError, "wrong, or has expired"),
    (402, RunError, "no credit left", StorageFull, "no room left"),
    (403, RunError, "no right to jobs", RunError, "no right to write to the bucket"),
    (413, StorageFull, "no room left", StorageFull, "no room left"),
    (429, NoAnswer, "asked too often", NoAnswer, "asked too often"),
    (503, NoAnswer, "trouble of its own", NoAnswer, "trouble of its own"),
    (0, NoAnswer, "cannot be reached", NoAnswer, "cannot be reached"),
    (400, RunError, "refused", RunError, "refused"),
]


@pytest.mark.parametrize(("status", "job", "of_job", "bucket", "of_bucket"), REFUSALS)
def test_each_refusal_is_a_sentence(
    hub: JobsHub,
    mine: HubCompute,
    monkeypatch: pytest.MonkeyPatch,
    *,
    status: int,
    job: type[RunError],
    of_job: str,
    bucket: type[RunError],
    of_bucket: str,
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits longer and longer between its tries
    calls: list[tuple[Callable[[], object], type[RunError], str]] = [
        (lambda: mine.find("me", "job-1"), job, of_job),
        (lambda: mine.content(BUCKET, "a"), bucket, of_bucket),
    ]
    for ask, kind, said in calls:
        hub.failures = [("/api", status, 50)]
        with pytest.raises(RunError, match=said) as caught:
            ask()
        assert type(caught.value) is kind
        assert caught.value.hint


def test_hardware_that_is_not_there_is_refused(mine: HubCompute) -> None:
    with pytest.raises(RunError, match=r"refused \(status 400\): no such hardware"):
        submit(mine, flavor="t5-large")


def test_files_go_there_and_back(hub: JobsHub, mine: HubCompute, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 200_000)
    mine.send(BUCKET, "runs/r/1/big", source)
    mine.send(BUCKET, "runs/r/1/small", b"hello")
    mine.send(BUCKET, "runs/r1", b"not in that folder")
    assert mine.content(BUCKET, "runs/r/1/big")[1] == 200_000  # type: ignore[index]
    assert mine.fetch(BUCKET, "runs/r/1/big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    assert not mine.fetch(BUCKET, "runs/r/1/nothing", tmp_path / "nothing")
    mine.delete(BUCKET, "runs/r")
    assert list(hub.buckets[BUCKET].files) == ["runs/r1"]
    mine.delete(BUCKET, "runs/r")


def test_a_local_file_that_is_deleted_while_it_is_sent_is_not_the_hubs_fault(mine: HubCompute, tmp_path: Path) -> None:
    """hf_xet raises an OSError without a number for it, and a run ended with "I/O error" when a checkpoint went."""
    with pytest.raises(FileNotFoundError):
        mine.send(BUCKET, "a", tmp_path / "gone")


def test_a_file_that_is_deleted_there_while_it_is_fetched_is_just_not_there(
    hub: JobsHub, mine: HubCompute, tmp_path: Path
) -> None:
    mine.send(BUCKET, "a", b"hello")
    answer = hub.buckets[BUCKET].files

    class Going(dict[str, object]):
        """A folder of which the file goes once it was listed."""

        def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
            self.clear()
            return default

    hub.buckets[BUCKET].files = Going(answer)  # type: ignore[assignment]
    assert not mine.fetch(BUCKET, "a", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_bucket_that_everybody_sees_is_not_used(hub: JobsHub, mine: HubCompute) -> None:
    hub.buckets["me/open"] = StoredBucket(private=False)
    with pytest.raises(RunError, match="public"):
        mine.make_bucket("me/open")


class Nonsense(http.server.BaseHTTPRequestHandler):
    """Answers whatever is asked with one text, as a sign-in page of a network does."""

    body = b""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def nonsense() -> Iterator[HubCompute]:
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nonsense)) as server:
        yield HubCompute(TOKEN, endpoint=f"http://127.0.0.1:{server.server_address[1]}")


JOB = {"id": "1", "status": {"stage": "RUNNING"}, "owner": {"id": "1", "name": "me", "type": "user"}}
ASKS: dict[str, Callable[[HubCompute], object]] = {
    "run": submit,
    "find": lambda hub: hub.find("me", "job-1"),
    "look": lambda hub: hub.look("me", "1"),
    "hardware": lambda hub: hub.hardware(),
    "owner": lambda hub: hub.owner(""),
    "content": lambda hub: hub.content(BUCKET, "a"),
}


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        (b"<html>sign in</html>", tuple(ASKS)),
        (b"{}", ("run", "look", "owner")),
        (b"[1]", ("find", "hardware", "content", "owner")),
        (json.dumps({"name": 5}).encode(), ("owner",)),
        (json.dumps(JOB | {"durations": {"runningSecs": "abc"}}).encode(), ("look",)),
        (json.dumps(JOB | {"durations": {"runningSecs": float("nan")}}).encode(), ("look",)),
        (json.dumps(JOB | {"durations": ["x"]}).encode(), ("look",)),
        (json.dumps([JOB | {"labels": ["name"]}]).encode(), ("find",)),
    ],
)
def test_an_answer_that_is_not_the_hubs_is_none(
    nonsense: HubCompute, body: bytes, asks: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of the library ended the worker; the job went on, and nobody followed it."""
    monkeypatch.setattr(Nonsense, "body", body)
    for name in asks:
        with pytest.raises(NoAnswer):
            ASKS[name](nonsense)


def test_what_the_hub_says_of_a_job_is_bounded(nonsense: HubCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    status = {"stage": "ERROR", "message": "x" * 100_000}
    for seconds, read in ((-(10**9), 0), (10**15, 10**9), (5, 5)):
        body = json.dumps(JOB | {"status": status, "durations": {"runningSecs": seconds}}).encode()
        monkeypatch.setattr(Nonsense, "body", body)
        seen = nonsense.look("me", "1")
        assert seen is not None
        assert (seen.seconds, len(seen.message)) == (read, 1000)


def test_hardware_whose_price_is_no_number_is_passed_over(
    nonsense: HubCompute, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"name": "t4", "prettyName": "T4", "cpu": "2", "ram": "3", "ephemeralStorage": "1", "accelerator": None}
    one |= {"unitCostMicroUSD": 1, "unitLabel": "minute"}
    prices = [None, "cheap", 0.01]
    listed = [one | {"name": f"t{number}", "unitCostUSD": price} for number, price in enumerate(prices)]
    monkeypatch.setattr(Nonsense, "body", json.dumps(listed).encode())
    assert [each.name for each in nonsense.hardware()] == ["t2"]
