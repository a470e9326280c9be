"""What a person looks at on the Data tab, and what follows from a change of that.

The settings of a run stand beside it, because what is shown follows from them.
"""

import logging
import math
from dataclasses import dataclass, field, replace

from studio.config import RunConfig
from studio.data.dataset_folders import Dataset
from studio.errors import DataError
from studio.logs import logged
from studio.studio import Studio
from studio.ui.data import held_out
from studio.ui.data.columns import Assigning
from studio.ui.data.newer import Waiting
from studio.ui.kit import form

log = logging.getLogger(__name__)

ON_CONFIGURE = ("model", "max_length", "overlong", "batch_size", "epochs")
"""The settings on the Configure tab that what is shown here follows from; the others stand on this one."""


@dataclass(frozen=True)
class Selection:
    """A version of a data set, the one of its examples that is shown, and what is being brought in.

    `family` is what all versions of a data set share, `other` the data set that is held out in its place.
    """

    family: str = ""
    version: str = ""
    other: str = ""
    number: float = 1
    """The number of the example, from 1."""
    special: bool = False
    is_elsewhere: bool = field(default=False, compare=False)
    """Whether the page showed another version when something was asked: its own was deleted meanwhile, for example."""
    editing: str = ""
    """The fingerprint of the example that is shown, while it is edited."""
    assigning: Assigning | None = None
    waiting: Waiting | None = None
    """A change of this version that waits for an answer, because there is a newer one."""
    renewed: int = 0
    """Counts what was done to the data sets that are kept: they are listed again after it."""
    arrived: int = 0
    """Counts the data sets that were brought in: the page goes to each."""
    started: object = ()
    """The imports that this browser started, see `imports`; and below, those that need no card any more."""
    done_with: object = ()
    taken: tuple[str, ...] = ()
    """The files in the drop zone that are being brought in already."""
    model: str = ""
    max_length: float = RunConfig.max_length
    overlong: str = RunConfig.overlong
    batch_size: float = RunConfig.batch_size
    epochs: float = RunConfig.epochs
    validation_share: float = RunConfig.validation_share
    seed: float = RunConfig.seed
    stratify: bool = RunConfig.stratify

    @property
    def settings(self) -> RunConfig:
        """The settings of a run, as far as they matter here. A field may be half typed."""
        return form.read_config({name: getattr(self, name) for name in (*ON_CONFIGURE, *form.HELD_OUT)})

    @property
    def at_hand(self) -> str:
        """The id of the version that a person sees and acts on, "" without any.

        Raises DataError where the page showed another one.
        """
        if self.is_elsewhere:
            raise DataError(
                "The data set that was shown is not chosen any more.", "Look at this one, then choose again."
            )
        return self.version

    @property
    def place(self) -> int:
        """The place of the example, from 0; that of the first for anything that is no number."""
        if isinstance(self.number, bool) or not isinstance(self.number, int | float) or not math.isfinite(self.number):
            return 0
        return int(self.number) - 1


def settle(studio: Studio, before: Selection, now: Selection) -> Selection:
    """Select what there is: the version of another data set that was left there, and its first example; what remains of
    a gone one; on a page that was just opened the data set that was looked at last.

    Another version of the same data set is shown at the same place. What is selected is remembered.
    """
    dataset = _dataset(studio, before, now)
    root, version = (dataset.root, dataset.id) if dataset is not None else ("", "")
    place = 0 if before.family and before.family != root else now.place
    last = dataset.inspection.usable - 1 if dataset is not None else 0
    other = now.other if studio.data.find(now.other) is not None else ""
    if version != before.version:
        if other not in {id for _, id in held_out.choices(studio, version)}:
            other = ""
        if version:
            _remember(studio, version)
    number = max(0, min(place, last)) + 1
    is_same = (before.version, before.number) == (version, number)
    editing = now.editing if is_same or now.editing != before.editing else ""
    return replace(
        now,
        family=root,
        version=version,
        is_elsewhere=version != now.version,
        other=other,
        number=number,
        editing=editing,
        waiting=now.waiting if now.waiting is not None and now.waiting.of == version else None,
    )


def _dataset(studio: Studio, before: Selection, now: Selection) -> Dataset | None:
    if now.family != before.family and now.version == before.version:
        found = next((each for each in studio.data.families() if each.root == now.family), None)
    else:
        found = studio.data.find(now.version)
    return found or studio.data.last_chosen()


def _remember(studio: Studio, version: str) -> None:
    """Have the version open again that is shown now. It is shown also where the disk does not take that."""
    with logged(log, "The chosen version is not remembered", DataError):
        studio.data.choose(version)
