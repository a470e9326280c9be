from studio.config import RunConfig
from studio.models.forecast.forecast import Workload
from studio.ui.configure.methods_table import table
from tests.planning.fake_forecasts import MACHINE, MODEL, Oracle

DATA = Workload(examples=9, tokens=900, longest=90, learned_tokens=400, held_out_examples=1, held_out_tokens=90)


def drawn(workload: Workload | None = DATA) -> str:
    oracle = Oracle({"full": 9_000_000_000})
    return str(table(oracle.compare(MODEL, RunConfig(), machine=MACHINE, workload=workload), chosen="lora"))


def test_each_method_says_what_it_needs_and_gives_up() -> None:
    made = drawn()
    assert made.count('<th scope="row">') == 3
    assert "1,000,000" in made
    assert "100 % of all" in made
    assert "9.0 GB" in made
    assert made.count("Does not fit") == 1
    assert "What qlora gives up &amp; more." in made


def test_which_method_needs_the_least_memory_comes_from_the_estimates() -> None:
    assert "LoRA and QLoRA (4-bit) need the least memory here, about 1.0 GB." in drawn()
    oracle = Oracle({"full": 9 * 10**9, "qlora": 2 * 10**9})
    rows = oracle.compare(MODEL, RunConfig(), machine=MACHINE, workload=DATA)
    assert "LoRA needs the least memory here" in table(rows, chosen="lora")


def test_the_others_can_be_chosen() -> None:
    made = drawn()
    assert 'data-key="full" aria-label="Choose Full fine-tuning"' in made
    assert 'data-key="qlora"' in made
    assert 'data-key="lora"' not in made
    assert made.count("ls-chosen") == 1


def test_what_is_not_known_is_said() -> None:
    assert drawn(None).count("not known yet") == 3
    assert "Not known yet" in table((), chosen="lora")
