import pytest

from studio.data.conversion.cells import UnusableError
from studio.data.conversion.media import refuse_media, refuse_media_columns


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"image": {"bytes": b"x", "path": None}, "q": "What?"}, "images"),
        ({"images": [{"path": "a.png"}]}, "images"),
        ({"image": b"\x89PNG"}, "images"),
        ({"image": "coco/1.jpg", "conversations": [{"from": "human", "value": "<image>\nWhat?"}]}, "images"),
        ({"image": "coco/1.jpg", "conversations": '[{"from": "human", "value": "<image>"}]'}, "images"),
        ({"images": ["1.jpg"], "prompt": "<image> What?"}, "images"),
        ({"audio": {"array": [0.1], "path": "a.wav"}}, "audio"),
        ({"videos": ["a.mp4"], "prompt": "<video> What?"}, "video"),
    ],
)
def test_a_row_with_a_picture_of_its_own(cells: dict[str, object], kind: str) -> None:
    with pytest.raises(UnusableError) as caught:
        refuse_media_columns(cells)
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "cells",
    [
        {"q": "What is <image>?"},
        {"image": None, "q": "<image>"},
        {"image": "https://shop.example/fox.png", "q": "Describe the product."},
        {"images": [], "q": "<image>"},
    ],
)
def test_a_row_of_words(cells: dict[str, object]) -> None:
    refuse_media_columns(cells)


def test_parts_of_turns() -> None:
    refuse_media({"type": "text", "text": "hi", "image": None}, "Turn 1")
    with pytest.raises(UnusableError, match="Turn 1 holds an image"):
        refuse_media({"text": None, "image": "a.png"}, "Turn 1")
