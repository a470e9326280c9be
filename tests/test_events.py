import pytest

from studio.events import Evaluated, Loaded, Record, Started, Stepped, Unknown, decode, encode


@pytest.mark.parametrize(
    "event",
    [
        Started(process_id=7, job="train"),
        Loaded(parameters=10, trainable=2, device="cpu", precision="fp32", target_modules=("q_proj", "v_proj")),
        Stepped(1, 0.5, 2.25, 1e-4, 0.7, 210.0, 1.5),
        Evaluated(step=0, loss=4.0),
        Evaluated(step=0, loss=4.0, part=24, of=100, whole=3.9),
    ],
)
def test_an_event_survives_its_line(event: Started | Loaded | Stepped | Evaluated) -> None:
    record = Record(seq=3, time=12.5, event=event)
    assert decode(encode(record)) == record


def test_an_unknown_kind_is_unknown_and_not_an_error() -> None:
    assert decode('{"seq":1,"time":2,"kind":"Sang","song":"x"}').event == Unknown("Sang")


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"seq":1}', '{"seq":1,"time":0,"kind":"Evaluated","step":"x","loss":1}']
)
def test_a_line_that_is_no_event_is_refused(line: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode(line)


def test_a_loss_that_is_not_finite_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(Record(seq=1, time=0.0, event=Evaluated(step=1, loss=float("inf"))))
