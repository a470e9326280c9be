"""What is known of the runs of one data set, and what the missing ones would need."""

import pytest

from studio.config import FULL, LORA, QLORA, RunConfig
from studio.planning.model_facts import ModelFacts
from studio.planning.tradeoffs import Tradeoffs
from studio.studio import Studio
from studio.ui.evaluate import actions, tradeoff_view
from tests.planning.fake_forecasts import MACHINE, Oracle
from tests.ui import made_up
from tests.ui.fake_studio import finished_run


def test_what_does_not_fit_is_estimated_and_not_queued(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    oracle = Oracle(needs={QLORA: 1_000_000_000, FULL: 2 * MACHINE.memory_bytes})
    tradeoffs = Tradeoffs(studio, ModelFacts(studio, forecasts=oracle.forecasts()))
    fits = {each.config.method: each.fits for each in tradeoffs.look(run.id).missing}
    assert fits == {QLORA: True, FULL: False}
    made = actions.train_missing(studio, tradeoffs, run.id)
    assert [studio.runs.get(id).config.method for id in made] == [QLORA]


@pytest.mark.parametrize(("needs", "saves"), [(2_000_000_000, False), (500_000_000, True)])
def test_four_bits_are_said_to_save_memory_only_where_they_do(studio: Studio, needs: int, saves: bool) -> None:
    """ "QLoRA saves memory" stood beside a forecast that said more."""
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    oracle = Oracle(needs={LORA: 1_000_000_000, QLORA: needs, FULL: needs})
    found = Tradeoffs(studio, ModelFacts(studio, forecasts=oracle.forecasts())).look(run.id)
    assert {each.config.method: each.saves_nothing for each in found.missing} == {QLORA: not saves, FULL: False}
    assert ("On this model that is no less memory." in tradeoff_view.offer(found)) is not saves


def test_without_its_data_set_a_run_has_still_a_trade_off(studio: Studio, facts: ModelFacts) -> None:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    made_up.write(run)
    studio.data.delete(run.origin.dataset_id)
    found = Tradeoffs(studio, facts).look(run.id)
    assert [(each.config.method, each.forecast) for each in found.missing] == [(QLORA, None), (FULL, None)]
    assert found.report is not None


def test_runs_of_other_data_and_those_in_the_bin_stay_out(studio: Studio, facts: ModelFacts) -> None:
    datasets = [studio.data.add_sample(sample.key).id for sample in studio.data.samples()[:2]]
    kept, gone, other = (
        finished_run(studio, dataset_id=id, config=RunConfig(name=name))
        for id, name in ((datasets[0], "otter"), (datasets[0], "heron"), (datasets[1], "vole"))
    )
    for run in (kept, gone, other):
        made_up.write(run)
    tradeoffs = Tradeoffs(studio, facts)
    assert {point.run_name for point in tradeoffs.look(kept.id).points} == {"otter", "heron"}
    studio.delete_run(gone.id)
    studio.runs.describe(kept.id, name="seal")
    studio.summaries.look(fresh=True)
    assert {point.run_name for point in tradeoffs.look(kept.id).points} == {"seal"}
