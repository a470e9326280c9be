"""The first steps of a job on the Hub: what an image lacks, and code that is not what was sent."""

import json
import os
import subprocess
import sys
from pathlib import Path

from studio.jobs.places import hub_jobs
from studio.jobs.places.protocol import BEGAN_VARIABLE, FIRST_STEPS_VARIABLE
from studio.models.hub_compute import HubCompute
from studio.workers import first_steps
from tests.bucket_hub import TOKEN
from tests.jobs_hub import jobs_hub


def test_what_is_installed_stays_and_the_rest_is_named_with_its_version() -> None:
    assert first_steps.missing([["numpy", "0.1"], ["no-such-package-here", "1.2"]]) == ["no-such-package-here==1.2"]


def test_both_sides_mean_the_same_variables() -> None:
    """The steps run before the studio's code is there, so they name the variables themselves."""
    assert (first_steps._PLAN, first_steps._BEGAN) == (FIRST_STEPS_VARIABLE, BEGAN_VARIABLE)


def test_the_steps_need_nothing_but_python_before_the_packages_are_there() -> None:
    script = f"import sys; sys.modules['huggingface_hub'] = None; exec(open({first_steps.__file__!r}).read(), dict())"
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)


def test_every_package_that_is_needed_has_the_version_that_is_here() -> None:
    found = dict(hub_jobs._packages())
    assert found.keys() == set(hub_jobs.NEEDED)
    assert "+" not in found["torch"], "PyPI has no local versions"


def test_code_that_is_not_what_was_sent_is_not_run(tmp_path: Path) -> None:
    with jobs_hub(tmp_path / "hub", variables={}) as hub:
        mine = HubCompute(TOKEN, endpoint=hub.address)
        mine.make_bucket("me/b")
        mine.send("me/b", "inputs/code", b"another zip")
        plan = {"bucket": "me/b", "code": "inputs/code", "sha256": "0" * 64, "packages": []}
        done = subprocess.run(
            [sys.executable, "-c", Path(first_steps.__file__).read_text()],
            env={
                **os.environ,
                "HF_ENDPOINT": hub.address,
                "HF_HUB_OFFLINE": "",
                "HF_TOKEN": TOKEN,
                "HF_HOME": str(tmp_path),
                FIRST_STEPS_VARIABLE: json.dumps(plan),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "is not what was sent" in done.stderr
    assert TOKEN not in done.stderr + done.stdout
