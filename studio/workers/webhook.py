"""Tells an address of the operator's choice when a run has ended."""

import json
import logging
import os
import urllib.request
from http.client import HTTPException

from studio.events import Event, Failed, Finished
from studio.runs.store import RunFolder

log = logging.getLogger(__name__)

VARIABLE = "STUDIO_WEBHOOK"
TIMEOUT_SECONDS = 10.0


def call_webhook(run: RunFolder, event: Event) -> None:
    """POST how a run ended to the address in `STUDIO_WEBHOOK`, as JSON. Trouble goes to the log alone."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("http://", "https://")) or not isinstance(event, Finished | Failed):
        return
    ended = event.status if isinstance(event, Finished) else "failed"
    text = event.summary if isinstance(event, Finished) else f"{event.message} {event.hint}".strip()
    body = json.dumps({"run": run.id, "name": run.name, "status": ended, "text": text}).encode()
    try:
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
            pass
    except (OSError, ValueError, HTTPException) as error:
        log.warning("The address in %s could not be told that the run has ended: %s", VARIABLE, error, exc_info=True)
