"""A fuzzer for what parts two accounts: one calls every listener and address with what it may know of another.

    python tests/fuzz/fuzz_accounts.py --seconds 3600 [--seed 1]

Ben has half of all ids and paths of Anna and of the owner, and sends them wherever something can be sent, among fitting
and odd values. Findings are: one of the other half in an answer, a word that only they wrote, and any change of what
they have. Each kind is printed once with the call that led to it. Not collected by pytest; exit status 1 when something
was found. Workers are played, so no model is loaded and no network asked.
"""

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))
os.environ |= {"HF_HUB_OFFLINE": "1", "STUDIO_EVALUATE": "0"}

from studio.compare.conversations import open_conversations  # noqa: E402
from studio.compare.sheets import open_sheets  # noqa: E402
from studio.openai_api.keys import ApiKey  # noqa: E402
from studio.runs.store import RunStore  # noqa: E402
from tests.accounts.houses import House, house, served  # noqa: E402
from tests.fuzz.fuzz_endpoints import Findings, Fuzzer, say, short  # noqa: E402
from tests.security.small_home import NOW, write_small_home  # noqa: E402
from tests.security.test_accounts import tree  # noqa: E402
from tests.security.visitor import Answer  # noqa: E402

WORDS = ("Mondlicht", "the best so far", "Nachtfahrt")
"""What Anna and the owner alone have written."""

ADDRESSES = (
    *("/studio/download/run/{0}/{0}-adapter.zip", "/studio/download/run/{0}/{0}.run.zip", "/?tab=train&run={0}"),
    *("/studio/download/data/{0}/{0}.csv", "/gradio_api/file={0}", "/gradio_api/queue/data?session_hash={0}"),
    *("/gradio_api/heartbeat/{0}", "/gradio_api/call/run_status/{0}", "/gradio_api/upload_progress?upload_id={0}"),
    *("/v1/models/{0}", "/v1/files/file-{0}", "/v1/files/file-{0}/content", "/v1/fine_tuning/jobs/ftjob-{0}"),
    *("/v1/fine_tuning/jobs/ftjob-{0}/events", "/v1/fine_tuning/jobs/ftjob-{0}/checkpoints", "/{0}", "/studio/{0}"),
)


class Ben:
    """The one who asks. `knows` is what he sends, `secrets` what must never come to him."""

    def __init__(self, opened: House, port: int, known: list[str], rng: random.Random) -> None:
        ben = opened.add("ben")
        self.page = opened.visitor(port, ben)
        self.key = ApiKey(opened.people.home_of(ben)).read()
        rng.shuffle(known)
        self.knows, others = known[: len(known) // 2], known[len(known) // 2 :]
        # What is part of a path that he knows may come back to him.
        self.secrets = [*(each for each in others if not any(each in one for one in self.knows)), *WORDS]
        self.rng = rng
        self.fuzzer = Fuzzer(self.page, rng)
        self.fuzzer.known = self.knows
        self.page.timeout = 6.0  # once the page is made

    def call(self) -> tuple[str, str]:
        """Call a listener; return what it was, and what came."""
        listener = self.rng.choice(self.page.listeners)
        data, event = self.fuzzer.data(listener), self.fuzzer.event()
        said = self.page.call(listener, data=data, event=event)
        told = json.dumps([said.data, said.error], default=str)
        return f"listener {listener['id']} ({listener['api_name']})\n  {short(data)}\n  {short(event)}", told

    def address(self) -> tuple[str, str]:
        """Ask an address; return what it was, and what came."""
        path = self.rng.choice(ADDRESSES).format(self.rng.choice(self.knows).replace(" ", "%20"))
        headers = {"Authorization": f"Bearer {self.key}"} if path.startswith("/v1/") else {}
        answer: Answer = self.page.ask("GET", path, None, headers, timeout=2.0)
        return path, answer.text + str(answer.headers)


def known_of(home: Path) -> list[str]:
    """List the ids and paths of what an account has, each of which is told by nothing else."""
    ids = [each.id for each in RunStore(home).all()]
    ids += [each.id for each in (*open_conversations(home, lambda: NOW).all(), *open_sheets(home, lambda: NOW).all())]
    ids += [path.name for path in (home / "imports").iterdir()] + [path.name for path in (home / "datasets").iterdir()]
    return [*ids, *(str(home / "runs" / id / "config.json") for id in ids[:3])]


def main() -> int:
    """Fuzz as the arguments say; return 1 when something was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    findings, rng = Findings(), random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="fuzz-accounts-") as name, house(Path(name) / "home", api=True) as opened:
        homes = [opened.people.home_of(opened.add(each)) for each in ("owner", "anna")]
        known: list[str] = []
        for place, (home, called) in enumerate(zip(homes, ("Mondlicht", "Nachtfahrt"), strict=True)):
            source = Path(name) / f"source-{place}"
            source.mkdir()
            ids = write_small_home(home, source, now=NOW + 3600 * place)
            RunStore(home).describe(ids.finished, name=called)
            known += known_of(home)
        known = sorted({each for each in known if known.count(each) == 1})
        before = [tree(home) for home in homes]
        with served(opened) as port:
            ben = Ben(opened, port, known, rng)
            calls, until, shown = 0, time.monotonic() + given.seconds, time.monotonic()
            while time.monotonic() < until:
                what, told = ben.call() if rng.random() < 0.8 else ben.address()
                calls += 1
                for secret in ben.secrets:
                    if secret in told:
                        findings.note(f"'{secret}' of another", f"{what}\n  {short(told)}")
                if calls % 200 == 0 and [tree(home) for home in homes] != before:
                    findings.note("something of another is changed", what)
                if time.monotonic() - shown > 30:
                    shown = time.monotonic()
                    say(f"{calls} calls, {len(findings.kinds)} kinds of findings")
        if [tree(home) for home in homes] != before:
            findings.note("something of another is changed", "by the end")
    say(f"{calls} calls, {len(findings.kinds)} kinds of findings.")
    return 1 if findings.kinds else 0


if __name__ == "__main__":
    sys.exit(main())
