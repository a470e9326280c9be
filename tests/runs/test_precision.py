import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.events import Loaded, Started
from studio.runs.event_log import EventLog
from studio.runs.precision import precision_of
from studio.runs.store import RunStore


def loaded(precision: str) -> Loaded:
    return Loaded(parameters=1, trainable=1, device="cpu", precision=precision, target_modules=())


@pytest.mark.parametrize(
    ("said", "precision"),
    [
        ((), "auto"),
        (("fp32",), "fp32"),
        (("4-bit NF4, computing in bf16",), "bf16"),
        (("bf16", "8-bit, computing in fp32"), "fp32"),
        (("fp64",), "auto"),
    ],
)
def test_it_is_what_the_newest_worker_found(tmp_path, said: tuple[str, ...], precision: str) -> None:
    """A run in "auto" was loaded back in another precision on a machine where that means another."""
    example = Example((Message("user", "?"), Message("assistant", "!")))
    run = RunStore(tmp_path).create(
        RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="", train=[example], validation=[]
    )
    log = EventLog(run.events_path)
    log.emit(Started(1, "train"))
    for each in said:
        log.emit(loaded(each))
    log.close()
    assert precision_of(run) == precision
