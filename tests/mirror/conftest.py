"""A bucket on a Hub of the tests, and mirrors of folders in it. Each `Mirror` here speaks through huggingface_hub."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub.utils.tqdm import disable_progress_bars

from studio.mirror.bucket import Bucket
from studio.mirror.upkeep import Mirror
from tests.bucket_hub import TOKEN, BucketHub, bucket_hub

NAME = "me/studio"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[BucketHub]:
    disable_progress_bars()
    with bucket_hub(tmp_path / "storage") as hub:
        yield hub


MirrorOf = Callable[[Path], Mirror]


@pytest.fixture
def mirror_of(hub: BucketHub) -> MirrorOf:
    """Return what makes a mirror of a data folder."""
    return lambda home: Mirror(home, Bucket(NAME, token=TOKEN, endpoint=hub.address), target=NAME)
