"""The one route by which files of the data folder leave it: each is looked up by the id of its run or data set.

A request never says a path. What it names must be a file that the studio made to be downloaded, and is always sent as
an attachment that no browser shows or runs.
"""

import functools
import logging
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from studio.data.downloads import DOWNLOADS
from studio.errors import StudioError
from studio.jobs.exports import export_state, exported_files, kinds_of, offered_file
from studio.studio import Studio
from studio.ui.kit.downloads import DATA, PREFIX, RUN

log = logging.getLogger(__name__)

_MADE_OF_A_RUN = re.compile(r"(?:\.run\.zip|-steps\.csv|-[\w.-]+-report\.html|-[\w.-]+-rows\.(?:csv|jsonl))", re.ASCII)
"""What follows the id of the run in the names of the files that are written beside its exports."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "sandbox",
    "Referrer-Policy": "no-referrer",
}


def routes(studio: Studio) -> list[Route]:
    """Return the route of the downloads, to be mounted beside the page."""
    answer = functools.partial(_answer, studio)

    def download(request: Request) -> Response:
        return answer(**request.path_params)

    return [Route(f"/{PREFIX}/{{kind}}/{{id}}/{{name}}", download, methods=["GET"], name="download")]


def _answer(studio: Studio, *, kind: str, id: str, name: str) -> Response:
    try:
        file = _found(studio, kind, id, name)
    except (StudioError, OSError, ValueError) as error:
        log.info("A download was refused: %s", error, exc_info=True)
        file = None
    if file is None:
        sentence = "There is no such file to download. Prepare it again on the page."
        return PlainTextResponse(sentence, status_code=404, headers=_HEADERS)
    return FileResponse(
        file,
        media_type="application/octet-stream",
        filename=name,
        content_disposition_type="attachment",
        headers=_HEADERS,
    )


def _found(studio: Studio, kind: str, id: str, name: str) -> Path | None:
    """Return the file that is meant, or None. Raises StudioError for an unknown id."""
    if kind == DATA:
        is_made = name.rpartition(".")[2] in DOWNLOADS
        return offered_file(studio.data.folder(id) / "download", name) if is_made else None
    if kind != RUN:
        return None
    run = studio.runs.get(id)
    exported = {path.name: each for each in kinds_of(run) for path in exported_files(run, each)}
    if name in exported and export_state(studio.jobs, run, exported[name]).result is None:
        return None  # it is being written, or was not checked
    made = name.startswith(run.id) and _MADE_OF_A_RUN.fullmatch(name.removeprefix(run.id))
    return offered_file(run.exports, name) if name in exported or made else None
