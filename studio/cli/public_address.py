"""What is prepared before visitors are served: where uploads go, and which secrets are kept from them."""

import errno
import logging
import os
import time
from collections.abc import MutableMapping

from studio.homes import ACCOUNT_ID
from studio.runs.launcher import withhold_secrets
from studio.settings import Settings

UPLOAD_FOLDER = "GRADIO_TEMP_DIR"

log = logging.getLogger(__name__)


def arrange(settings: Settings, environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep uploads in the data folder, remove old ones, and withhold secrets on a public address.

    To be called before the page is built.
    """
    environment[UPLOAD_FOLDER] = str(settings.uploads)
    clear_uploads(settings)
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


def clear_uploads(settings: Settings) -> None:
    """Remove what was uploaded longer ago than uploads are kept, by whichever server: one that is killed forgets it."""
    oldest = time.time() - settings.limits.upload_minutes * 60
    for folder, names, files in os.walk(settings.uploads, topdown=False):
        for name in (*files, *names):
            path = os.path.join(folder, name)
            if folder == os.fspath(settings.uploads) and ACCOUNT_ID.fullmatch(name):  # a page that is open writes there
                continue
            try:
                if os.lstat(path).st_mtime >= oldest:
                    continue
                if os.path.isdir(path) and not os.path.islink(path):
                    os.rmdir(path)
                else:
                    os.unlink(path)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                    log.warning("An old upload was not removed: %s", error, exc_info=True)
