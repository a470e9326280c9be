"""What is prepared before visitors are served: where uploads go, and which secrets are kept from them."""

import logging
import os
import shutil
import time
from collections.abc import MutableMapping

from studio.runs.launcher import withhold_secrets
from studio.settings import Settings

UPLOAD_FOLDER = "GRADIO_TEMP_DIR"
KEPT_SECONDS = 24 * 3600.0
"""Uploads that were never used are removed after so long, as Gradio does with those of a server that still runs."""

log = logging.getLogger(__name__)


def arrange(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep uploads in the data folder, remove old ones, and withhold secrets on a public address.

    To be called before the page is built.
    """
    environment[UPLOAD_FOLDER] = str(settings.uploads)
    _clear(settings)
    if settings.is_public:
        withhold_secrets(environment, but_the_token=settings.share_token)


def token_sentence(settings: Settings) -> str:
    """Say at the start that visitors use the owner's token; empty where they do not."""
    if settings.is_public and settings.share_token:
        return (
            "STUDIO_SHARE_TOKEN=1: visitors download from the Hugging Face Hub with the access token of this machine, "
            "so they can read every private and gated model and data set that it may read."
        )
    return ""


def tasks_sentence(settings: Settings) -> str:
    """Say at the start that visitors may run the owner's tasks; empty where they may not."""
    if settings.is_public and settings.own_tasks:
        return (
            f"STUDIO_OWN_TASKS=1: visitors can run the tasks in {settings.home / 'tasks'}. "
            "Such tasks can hold code; nothing that visitors upload gets there."
        )
    return ""


def _clear(settings: Settings) -> None:
    """Remove what was uploaded to a server that ended."""
    for folder in settings.uploads.glob("*"):
        try:
            if time.time() - folder.lstat().st_mtime < KEPT_SECONDS:
                continue
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
            else:
                folder.unlink()
        except OSError as error:
            log.warning("An old upload was not removed: %s", error, exc_info=True)
