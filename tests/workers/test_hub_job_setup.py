"""How a job on the Hub is set up: what an image lacks, and code that is not what was sent."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.jobs.places import hub_jobs
from studio.jobs.places.protocol import BEGAN_VARIABLE, JOB_SETUP_VARIABLE
from studio.models.hub_compute import HubCompute
from studio.workers import hub_job_setup
from tests.bucket_hub import TOKEN
from tests.jobs_hub import jobs_hub


def test_what_is_installed_stays_and_the_rest_is_named_with_its_version() -> None:
    assert hub_job_setup.missing([["numpy", "0.1"], ["no-such-package-here", "1.2"]]) == ["no-such-package-here==1.2"]


def test_both_sides_mean_the_same_variables() -> None:
    """The steps run before the studio's code is there, so they name the variables themselves."""
    assert (hub_job_setup._PLAN, hub_job_setup._BEGAN) == (JOB_SETUP_VARIABLE, BEGAN_VARIABLE)


def test_the_steps_need_nothing_but_python_before_the_packages_are_there() -> None:
    script = f"import sys; sys.modules['huggingface_hub'] = None; exec(open({hub_job_setup.__file__!r}).read(), dict())"
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
            [sys.executable, "-c", Path(hub_job_setup.__file__).read_text()],
            env={
                **os.environ,
                "HF_ENDPOINT": hub.address,
                "HF_HUB_OFFLINE": "",
                "HF_TOKEN": TOKEN,
                "HF_HOME": str(tmp_path),
                JOB_SETUP_VARIABLE: json.dumps(plan),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "is not what was sent" in done.stderr
    assert TOKEN not in done.stderr + done.stdout


def test_what_installs_packages_runs_none_of_their_code_and_has_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packages are not pinned by hash: the script that builds one could have read the person's token."""
    said = tmp_path / "said"
    fake = tmp_path / "uv"
    fake.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} > {said}\nexit 3\n')
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    plan = {"bucket": "me/b", "code": "inputs/code", "sha256": "0" * 64, "packages": [["no-such-package-here", "1.2"]]}
    environment = {**os.environ, "HF_TOKEN": TOKEN, JOB_SETUP_VARIABLE: json.dumps(plan)}
    with pytest.raises(subprocess.CalledProcessError):
        hub_job_setup.main(environment)
    assert "--only-binary :all: no-such-package-here==1.2" in said.read_text()
    assert TOKEN not in said.read_text()
