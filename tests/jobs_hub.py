"""A Hub on 127.0.0.1 with buckets and Jobs, as huggingface_hub and hf_xet speak to it; each job is a process here.

The contents of buckets go over HTTP too (unlike in `bucket_hub`), so any number of processes can use them at a time.
"""

import json
import os
import re
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.bucket_hub import TOKEN, BucketAnswers, BucketHub
from tests.local_server import serving

READ_ONLY = "hf_" + "readonlyread" * 2
OTHERS = "hf_" + "otherperson1" * 2
WHO = {TOKEN: "me", READ_ONLY: "me", OTHERS: "another"}

HARDWARE = {
    "cpu-basic": ("CPU Basic", 0.001, None),
    "t4-small": ("Nvidia T4 - small", 0.4 / 60, {"model": "T4", "quantity": "1", "vram": "16 GB"}),
}
"""What there is by its name: how it is called, the price of a minute, and its GPUs."""

_ENDED = ("COMPLETED", "CANCELED", "ERROR", "DELETED")


@dataclass
class HubJob:
    """One job: what was asked for, and its process once it runs."""

    id: str
    owner: str
    spec: dict[str, Any]
    created: float
    stage: str = "SCHEDULING"
    message: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Term:
    """A part of a file: pieces `start` to `end` of a stored object, `size` bytes long."""

    stored: str
    size: int
    start: int
    end: int


class JobsHub(BucketHub):
    """Runs jobs as processes, in `folder`, and kills one after its time, of which a second lasts `second` here.

    `starts` says whether jobs leave the queue. `variables` are set
    for each job. So many jobs are still taken without an answer as `swallowed` says.
    """

    def __init__(self, folder: Path, *, variables: dict[str, str]) -> None:
        super().__init__(folder)
        self.RequestHandlerClass = _Answers
        self.folder = folder
        self.storage = f"{self.address}/cas"
        self.jobs: dict[str, HubJob] = {}
        self.hardware = dict(HARDWARE)
        self.starts = True
        self.second = 1.0
        self.swallowed = 0
        self._variables = variables
        self._guard = threading.Lock()
        self._shards.mkdir(parents=True, exist_ok=True)

    def submit(self, owner: str, spec: dict[str, Any]) -> HubJob:
        with self._guard:
            job = HubJob(f"{len(self.jobs):024x}", owner, spec, time.time())
            self.jobs[job.id] = job
        return job

    def look(self, job: HubJob) -> HubJob:
        """Bring the state of a job up to date; start it where it may."""
        with self._guard:
            if job.stage == "SCHEDULING" and self.starts:
                self._start(job)
            elif job.stage == "RUNNING" and job.process is not None:
                code = job.process.poll()
                limit = job.spec.get("timeoutSeconds", 1800) * self.second
                if code is None and time.time() - job.started > limit:
                    _kill(job)
                    job.stage, job.message, job.ended = "ERROR", "Job timeout", time.time()
                elif code is not None:
                    job.stage, job.ended = "COMPLETED" if code == 0 else "ERROR", time.time()
        return job

    def cancel(self, job: HubJob) -> None:
        with self._guard:
            if job.stage not in _ENDED:
                _kill(job)
                job.stage, job.ended = "CANCELED", time.time()

    def end_all(self) -> None:
        for job in self.jobs.values():
            self.cancel(job)

    def _start(self, job: HubJob) -> None:
        folder = self.folder / "jobs" / job.id
        folder.mkdir(parents=True)
        inside = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), "HF_ENDPOINT": self.address}
        with (folder / "log").open("wb") as out:
            job.process = subprocess.Popen(
                job.spec["command"],
                cwd=folder,
                env={**inside, **self._variables, **job.spec["environment"], **job.spec.get("secrets", {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        job.stage, job.started = "RUNNING", time.time()


class _Answers(BucketAnswers):
    server: JobsHub

    def answer(self, path: str, body: bytes) -> None:
        if path.startswith("/cas/"):
            return self._contents(path.removeprefix("/cas"), body)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in WHO:
            return self._json(401, {"error": "Invalid credentials in Authorization header"})
        if path == "/api/whoami-v2":
            role = "read" if token == READ_ONLY else "write"
            who = {"type": "user", "name": WHO[token], "orgs": [{"name": "ours", "roleInOrg": "write"}]}
            return self._json(200, who | {"auth": {"accessToken": {"role": role}}})
        if path == "/api/jobs/hardware":
            return self._json(200, [_hardware(*each) for each in self.server.hardware.items()])
        if path.startswith("/api/jobs/"):
            owner, *rest = path.removeprefix("/api/jobs/").split("/")
            if owner not in (WHO[token], "ours") or token == READ_ONLY:
                return self._json(403, {"error": "no"})
            return self._jobs(owner, rest, body)
        owner = re.split("/+", path.removeprefix("/api").removeprefix("/buckets/"))[0]
        if owner not in (WHO[token], "ours"):
            return self._json(403, {"error": "no"})
        return super().answer(path, body)

    def _jobs(self, owner: str, rest: list[str], body: bytes) -> None:
        server = self.server
        if not rest and self.command == "POST":
            spec = json.loads(body)
            if spec["flavor"] not in server.hardware:
                return self._json(400, {"error": "no such hardware"})
            job = server.submit(owner, spec)
            if server.swallowed:
                server.swallowed -= 1
                self.close_connection = True
                return self.connection.close()
            return self._json(200, self._told(job))
        if not rest:
            wanted = parse_qs(urlsplit(self.path).query).get("label", [])
            found = [job for job in server.jobs.values() if job.owner == owner]
            for key, _, value in (each.partition("=") for each in wanted):
                found = [job for job in found if job.spec.get("labels", {}).get(key) == value]
            return self._json(200, [self._told(job) for job in found])
        job = server.jobs.get(rest[0])
        if job is None or job.owner != owner:
            return self._json(404, {"error": "no"})
        if rest[1:] == ["logs"]:
            return self._log(job)
        if rest[1:] == ["cancel"]:
            server.cancel(job)
        return self._json(200, self._told(job))

    def _log(self, job: HubJob) -> None:
        log = self.server.folder / "jobs" / job.id / "log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        events = [f"data: {json.dumps({'data': line, 'timestamp': _moment(job.created)})}\n\n" for line in lines[-20:]]
        body = "".join(events).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _told(self, job: HubJob) -> dict[str, Any]:
        self.server.look(job)
        now = job.ended or time.time()
        began = job.started or now
        return {
            "id": job.id,
            "createdAt": _moment(job.created),
            "startedAt": _moment(job.started) if job.started else None,
            "finishedAt": _moment(job.ended) if job.ended else None,
            "dockerImage": job.spec.get("dockerImage"),
            "command": job.spec["command"],
            "environment": job.spec["environment"],
            "secrets": dict.fromkeys(job.spec.get("secrets", {}), ""),
            "flavor": job.spec["flavor"],
            "labels": job.spec.get("labels", {}),
            "status": {"stage": job.stage, "message": job.message or None},
            "durations": {
                "schedulingSecs": int(began - job.created),
                "runningSecs": int((now - began) / self.server.second) if job.started else None,
                "totalSecs": int(now - job.created),
            },
            "owner": {"id": "1", "name": job.owner, "type": "user"},
        }

    def _contents(self, path: str, body: bytes) -> None:
        """Answer as the storage behind buckets does: it keeps objects of pieces, and tells of which a file is made."""
        server = self.server
        found = re.fullmatch(r"/v1/xorbs/\w+/([0-9a-f]{64})", path)
        if found and self.command == "POST":
            (server.folder / f"{found[1]}.xorb").write_bytes(body)
            return self._json(200, {"was_inserted": True})
        if path == "/v1/shards" and self.command == "POST":
            (server._shards / f"{time.time_ns()}.mdb").write_bytes(body)
            return self._json(200, {"result": 1})
        if found := re.fullmatch(r"/v1/reconstructions/([0-9a-f]{64})", path):
            return self._parts(found[1])
        if found := re.fullmatch(r"/stored/([0-9a-f]{64})", path):
            return self._piece((server.folder / f"{found[1]}.xorb").read_bytes())
        return self._json(404, {"error": "no"})

    def _parts(self, name: str) -> None:
        server = self.server
        terms = next((found[name] for path in server._shards.glob("*.mdb") if name in (found := _files_in(path))), None)
        if terms is None:
            return self._json(404, {"error": "no"})
        pieces: dict[str, list[dict[str, Any]]] = {}
        for each in terms:
            places = _places((server.folder / f"{each.stored}.xorb").read_bytes())
            pieces.setdefault(each.stored, []).append(
                {
                    "range": {"start": each.start, "end": each.end},
                    "url": f"{server.storage}/stored/{each.stored}",
                    "url_range": {"start": places[each.start], "end": places[each.end] - 1},
                }
            )
        told = [
            {"hash": each.stored, "unpacked_length": each.size, "range": {"start": each.start, "end": each.end}}
            for each in terms
        ]
        self._json(200, {"offset_into_first_range": 0, "terms": told, "fetch_info": pieces})

    def _piece(self, content: bytes) -> None:
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        piece = content[int(start) : int(end) + 1 if end else None]
        self.send_response(206)
        self.send_header("Content-Length", str(len(piece)))
        self.send_header("Content-Range", f"bytes {start}-{int(start) + len(piece) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(piece)


def _places(stored: bytes) -> list[int]:
    """Return where each piece of a stored object begins, and where the last one ends."""
    found, place = [0], 0
    while place + 8 <= len(stored) and stored[place] == 0:
        place += 8 + int.from_bytes(stored[place + 1 : place + 4], "little")
        found.append(place)
    return found


def _files_in(shard: Path) -> dict[str, list[Term]]:
    """Read of which parts the files are made that a shard describes."""
    content, place, found = shard.read_bytes(), 48, {}
    while (name := _hash(content, place)) != "f" * 64:
        flags, count = struct.unpack_from("<II", content, place + 32)
        rows = [place + 48 * number for number in range(1, count + 1)]
        numbers = [struct.unpack_from("<4I", content, row + 32) for row in rows]
        found[name] = [Term(_hash(content, row), *each[1:]) for row, each in zip(rows, numbers, strict=True)]
        place += 48 + 48 * count * (2 if flags >> 31 else 1) + (48 if flags >> 30 & 1 else 0)
    return found


def _hash(content: bytes, place: int) -> str:
    return "".join(f"{part:016x}" for part in struct.unpack_from("<4Q", content, place))


def _hardware(name: str, about: tuple[str, float, dict[str, str] | None]) -> dict[str, Any]:
    title, price, gpus = about
    return {
        "name": name,
        "prettyName": title,
        "cpu": "2 vCPU",
        "ram": "16 GB",
        "ephemeralStorage": "50 GB",
        "accelerator": None if gpus is None else {"type": "gpu", "manufacturer": "Nvidia", **gpus},
        "unitCostMicroUSD": round(price * 1e6),
        "unitCostUSD": price,
        "unitLabel": "minute",
    }


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))


def _kill(job: HubJob) -> None:
    if job.process is not None and job.process.poll() is None:
        os.killpg(job.process.pid, signal.SIGKILL)
        job.process.wait()


@contextmanager
def jobs_hub(folder: Path, *, variables: dict[str, str]) -> Iterator[JobsHub]:
    """Serve a Hub on which no job has run yet; all jobs are ended with it."""
    with serving(JobsHub(folder, variables=variables)) as server:
        try:
            yield server
        finally:
            server.end_all()
