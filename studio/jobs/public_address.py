"""What a visitor of a public address may not name: files and folders of the machine that serves the page.

On an address of this machine alone everything may be named: whoever can reach it can read those files anyway. Base
models have their own check in `studio.models.locate`.
"""

from collections.abc import Sequence
from pathlib import Path

from studio.config import RunConfig
from studio.errors import ConfigError, DataError, RunError
from studio.jobs.standard_tasks import own_tasks
from studio.models.locate import check_hub_id
from studio.runs.store import RunStore
from studio.settings import Settings


def check_files(files: Sequence[str | Path], settings: Settings, *, ours: Path) -> None:
    """Check that files were uploaded, or come with the studio and lie in the folder `ours`.

    Raises DataError, which does not say which file was named or whether it is there.
    """
    if not settings.is_public:
        return
    allowed = (settings.uploads.resolve(), ours.resolve())
    for file in files:
        try:
            found = Path(file).resolve()
        except (OSError, ValueError, RuntimeError):
            found = Path("/")
        if not any(found.is_relative_to(folder) for folder in allowed):
            raise DataError("Files of this machine cannot be named here.", "Upload the file instead.")


def check_start_adapter(config: RunConfig, runs: RunStore, settings: Settings) -> None:
    """Check that a run goes on from the adapter of a run here, and not from a folder. Raises ConfigError."""
    if settings.is_public and config.start_adapter and not runs.has(config.start_adapter):
        raise ConfigError(
            f"'{config.start_adapter[:80]}' is not a run of this studio, so there is no adapter to go on from.",
            "Choose a finished LoRA run. Folders of this machine cannot be named here.",
        )


def check_brought_run(config: RunConfig, settings: Settings) -> None:
    """Check the settings of a run from a file: they must name no folder of this machine.

    Raises ModelError for such a base model and RunError for such an adapter.
    """
    if not settings.is_public:
        return
    check_hub_id(config.model)
    if config.start_adapter and not _could_be_a_run(config.start_adapter):
        raise RunError(
            "This run goes on from an adapter in a folder of the machine that it comes from.",
            "Bring one that goes on from a run, or from no adapter.",
        )


def check_tasks(names: Sequence[str], settings: Settings) -> None:
    """Check that no task of the person who runs the studio is asked where visitors must not. Raises ConfigError."""
    if settings.allows_own_tasks:
        return
    own = {task.name for task in own_tasks(settings.home)}
    found = next((name for name in names if name.strip() in own), "")
    if found:
        raise ConfigError(
            f"The task '{found[:80]}' is one that only whoever runs this studio may run: such tasks can hold code.",
            "Choose a standard task.",
        )


def _could_be_a_run(name: str) -> bool:
    return not name.startswith((".", "~")) and not any(letter in name for letter in "/\\:\0")
