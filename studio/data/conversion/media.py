"""Pictures, sound and video in a row: a language model of words cannot learn from them, and it says so. Names only."""

from collections.abc import Mapping

from studio.data.conversion.cells import UnusableError, is_empty, opened

_NAMES: Mapping[str, str] = {
    **dict.fromkeys(("image", "images", "img", "picture", "pictures", "photo", "image_url", "input_image"), "images"),
    **dict.fromkeys(("audio", "audios", "sound", "speech", "audio_url", "input_audio"), "audio"),
    **dict.fromkeys(("video", "videos", "video_url", "input_video"), "video"),
}
_WORDS = {"images": "an image", "audio": "a sound recording", "video": "a video"}
_MARKS = {"<image>": "images", "<audio>": "audio", "<video>": "video"}


def refuse_media(part: Mapping[str, object], where: str) -> None:
    """Raise UnusableError when a part of a turn is a picture, sound or video."""
    kind = part.get("type") or part.get("content_type")
    found = _kind(kind) if isinstance(kind, str) else ""
    if not found:
        found = _kind_of_data(part) or next(
            (_NAMES[name] for name in _NAMES.keys() & part.keys() if not is_empty(part[name])), ""
        )
    if found:
        raise UnusableError(found, f"{where} holds {_WORDS[found]}, which cannot be learned here.")


def refuse_media_columns(cells: Mapping[str, object]) -> None:
    """Raise UnusableError when a row comes with a picture, sound or video of its own.

    That is one in the file itself, or one that a text of the row points at with a mark such as `<image>`.
    """
    for name in [name for name in cells if name in _NAMES]:
        cell = opened(cells[name])
        first = cell[0] if isinstance(cell, list) and cell else cell
        kind = _NAMES[name]
        inside = isinstance(first, bytes) or (isinstance(first, Mapping) and bool(first.keys() & {"bytes", "path"}))
        mark = next(mark for mark, marked in _MARKS.items() if marked == kind)
        if inside or (not is_empty(cell) and _points_at(cells, mark)):
            raise UnusableError(kind, f"The row comes with {_WORDS[kind]} ('{name}'), which cannot be learned here.")


def _kind_of_data(part: Mapping[str, object]) -> str:
    """Return what a part holds by the media type that it gives, such as "image/png", or ""."""
    for data in (part, *(value for value in part.values() if isinstance(value, Mapping))):
        for name in ("mimeType", "mime_type", "media_type"):
            media_type = data.get(name)
            if isinstance(media_type, str) and "/" in media_type:
                return _NAMES.get(media_type.split("/")[0].lower(), "")
    return ""


def _points_at(cells: Mapping[str, object], mark: str) -> bool:
    """Say whether a mark stands in a text of the row, or in a turn of a conversation in it."""
    for cell in cells.values():
        found = opened(cell)
        turns = found if isinstance(found, list) else [found]
        values = [value for turn in turns for value in (turn.values() if isinstance(turn, Mapping) else [turn])]
        if any(isinstance(value, str) and mark in value for value in values):
            return True
    return False


def _kind(name: str) -> str:
    return _NAMES.get(name) or next((kind for start, kind in _NAMES.items() if name.startswith(start)), "")
