"""Where strangers can reach the studio, programs are answered only if that was asked for."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from studio.openai_api.keys import ApiKey
from studio.ui.serving.server import served
from tests.ui.fake_studio import end_workers, open_fake_studio


@pytest.mark.parametrize("password", ["", "a good password"], ids=["open", "password"])
@pytest.mark.parametrize("api", [False, True], ids=["off", "on"])
def test_programs_are_answered_where_that_was_asked_for(tmp_path: Path, password: str, api: bool) -> None:
    studio = open_fake_studio(tmp_path, clock=lambda: 1_800_000_000.0)
    studio.settings = replace(studio.settings, host="0.0.0.0", open=True, password=password, api=api)
    key = ApiKey(studio.settings.home).read()
    with served(studio, port=0) as server:
        address = f"http://127.0.0.1:{server.port}/v1/models"
        answer = httpx.get(address, headers={"Authorization": f"Bearer {key}"})
        if api:
            assert answer.status_code == 200
            assert httpx.get(address).status_code == 401
        else:
            assert answer.status_code == 403
            assert answer.json()["error"]["type"] == "permission_error"
            assert "started with --api" in answer.json()["error"]["message"]
    end_workers(studio)


def test_too_many_requests_are_refused_in_their_shape(tmp_path: Path) -> None:
    studio = open_fake_studio(tmp_path, clock=lambda: 1_800_000_000.0)
    studio.limits = replace(studio.limits, requests_at_once=0)
    with served(studio, port=0) as server:
        answer = httpx.get(f"http://127.0.0.1:{server.port}/v1/models")
        assert answer.status_code == 429
        assert answer.json()["error"]["type"] == "rate_limit_error"
    end_workers(studio)
