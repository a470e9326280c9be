from dataclasses import replace
from typing import Any

import pytest

from studio.config import FULL, LORA, QLORA, RunConfig, problems, setting_named
from studio.models.architecture import Architecture
from studio.models.forecast.forecast import DOES_NOT_FIT, FITS, Forecast, Part, Workload
from studio.models.layout import LinearLayer, ModelLayout
from studio.models.machine import Machine
from studio.models.presets import BALANCED, DERIVED, PRESETS, QUICK, THOROUGH, Case, Value, derive

LAYERS = tuple(
    LinearLayer(f"model.layers.{block}.{name}", inputs, outputs)
    for block in range(30)
    for name, inputs, outputs in (
        ("self_attn.q_proj", 576, 576),
        ("self_attn.k_proj", 576, 192),
        ("self_attn.v_proj", 576, 192),
        ("self_attn.o_proj", 576, 576),
        ("mlp.gate_proj", 576, 1536),
        ("mlp.up_proj", 576, 1536),
        ("mlp.down_proj", 1536, 576),
    )
)
STARTER = Architecture(
    family="llama",
    layers=30,
    hidden=576,
    intermediate=1536,
    heads=9,
    kv_heads=3,
    head_size=64,
    vocabulary=49152,
    context=8192,
    tied=True,
    layout=ModelLayout(134_515_008, LAYERS),
    embedding_parameters=49152 * 576,
    head_parameters=0,
)
MACHINE = Machine("cuda", "a GPU", 16_000_000_000, bf16=True, devices=1, rates=(), versions="")
DATA = Workload(
    examples=400, tokens=45_000, longest=212, learned_tokens=17_000, held_out_examples=44, held_out_tokens=5_000
)


def larger(parameters: int) -> Architecture:
    return replace(STARTER, layout=replace(STARTER.layout, parameters=parameters))


def memory(**needed: int) -> Any:
    """Stand in for the forecast: a need in bytes for each method."""

    def estimate(architecture: Architecture, config: RunConfig, *, machine: Machine, workload: object) -> Forecast:
        need = needed[config.method.replace("-", "_")]
        return Forecast(
            trainable=1,
            parameters=1,
            memory=(Part("Weights", need),),
            time=None,
            disk_bytes=0,
            file_bytes=0,
            verdict=FITS if need <= machine.memory_bytes else DOES_NOT_FIT,
            remedy=None,
            checkpointing=False,
            micro_batch_tokens=1024,
        )

    return estimate


ROOMY = memory(lora=1, qlora=1)


def case(**changes: Any) -> Case:
    given: dict[str, Any] = {"examples": 400, "workload": DATA, "architecture": STARTER, "machine": MACHINE}
    return Case(**{**given, **changes})


def values(**changes: Any) -> dict[str, Value]:
    return {each.field: each.value for each in derive(case(**changes), estimate=ROOMY)}


def reason(field: str, estimate: Any = ROOMY, **changes: Any) -> str:
    return next(each.reason for each in derive(case(**changes), estimate=estimate) if each.field == field)


def data(examples: int, **changes: int) -> dict[str, Any]:
    return {"examples": examples, "workload": replace(DATA, examples=examples, **changes)}


def test_balanced_gives_the_defaults_for_the_starter_and_a_few_hundred_examples() -> None:
    """The command line starts with the same settings as the page."""
    assert values() == {name: setting_named(name).default for name in DERIVED}
    assert values() == values(workload=None, architecture=None, machine=None, examples=0)


@pytest.mark.parametrize("preset", [each.id for each in PRESETS])
@pytest.mark.parametrize("examples", [0, 1, 40, 400, 9_000, 90_000])
@pytest.mark.parametrize("longest", [0, 100, 700, 9_000, 500_000])
def test_every_suggestion_is_a_setting_that_may_be_chosen(preset: str, examples: int, longest: int) -> None:
    found = derive(case(preset=preset, **data(examples, longest=longest)), estimate=ROOMY)
    assert problems(RunConfig(**{each.field: each.value for each in found})) == ()  # type: ignore[arg-type]
    assert [each.field for each in found] == list(DERIVED)
    assert all(each.reason.endswith(".") and len(each.reason) < 100 for each in found)


def test_a_quick_look_is_one_pass_with_a_small_adapter_and_thorough_is_more_of_both() -> None:
    quick, thorough = values(preset=QUICK), values(preset=THOROUGH)
    assert (quick["epochs"], quick["rank"], quick["alpha"]) == (1, 8, 16)
    assert (thorough["epochs"], thorough["rank"], thorough["alpha"], thorough["dropout"]) == (5, 32, 64, 0.05)


@pytest.mark.parametrize(
    ("parameters", "lora", "full"),
    [(494_032_768, 5e-4, 5e-5), (7_615_616_512, 2e-4, 2e-5), (70_000_000_000, 1e-4, 1e-5)],
)
def test_the_learning_rate_follows_the_size_and_full_fine_tuning_takes_a_tenth(
    parameters: int, lora: float, full: float
) -> None:
    model = larger(parameters)
    assert values(architecture=model)["learning_rate"] == lora
    assert values(architecture=model, own={"method": FULL})["learning_rate"] == full
    assert "ten times" in reason("learning_rate", architecture=model)


def test_a_model_that_is_only_known_by_name_has_a_size_too() -> None:
    assert values(architecture=None, model="Qwen/Qwen2.5-7B-Instruct")["learning_rate"] == 2e-4


def test_full_fine_tuning_has_no_settings_of_an_adapter() -> None:
    assert set(DERIVED) - set(values(own={"method": FULL})) == {"rank", "alpha", "dropout"}


def test_the_rank_grows_until_the_adapter_has_a_weight_for_each_learned_token() -> None:
    """Rank 16 on the starter is 4,884,480 weights."""
    assert values(**data(4_000, learned_tokens=4_884_480))["rank"] == 16
    assert values(**data(4_000, learned_tokens=4_884_481))["rank"] == 32
    assert values(**data(4_000, learned_tokens=10**9))["rank"] == 64
    assert "5,000,000 learned tokens" in reason("rank", **data(4_000, learned_tokens=5_000_000))
    assert reason("rank") == "Large enough for 400 examples of one task."


def test_no_adapter_is_wider_than_the_narrowest_layer() -> None:
    narrow = replace(STARTER, layout=ModelLayout(1000, (LinearLayer("model.layers.0.q_proj", 16, 12),)))
    assert values(architecture=narrow)["rank"] == 12
    assert values(architecture=narrow)["alpha"] == 24


def test_what_a_person_has_set_is_followed() -> None:
    assert values(own={"rank": 20})["alpha"] == 40
    assert values(own={"rank": None})["alpha"] == 32
    assert values(own={"batch_size": 100})["warmup_share"] == 0.1


def test_large_data_needs_fewer_passes_and_bears_larger_batches() -> None:
    assert [values(**data(number))["epochs"] for number in (5_000, 5_001, 20_001)] == [3, 2, 1]
    assert [values(**data(number))["batch_size"] for number in (63, 64, 5_001)] == [4, 8, 16]


def test_the_longest_example_covers_the_data_within_what_the_model_reads() -> None:
    assert values(**data(400, longest=700))["max_length"] == 1024
    assert "700 tokens" in reason("max_length", **data(400, longest=700))
    assert values(**data(400, longest=9_000))["max_length"] == 2048
    assert values(preset=THOROUGH, **data(400, longest=9_000))["max_length"] == 8192
    assert "cannot read more" in reason("max_length", preset=THOROUGH, **data(400, longest=9_000))


def test_examples_that_are_all_long_are_not_left_out_by_the_preset() -> None:
    assert values(**data(400, longest=3_000, tokens=400 * 2_900))["max_length"] == 4096


def test_qlora_is_suggested_where_memory_demands_it_and_only_where_it_helps() -> None:
    tight = memory(lora=18_200_000_000, qlora=9_000_000_000)
    found = derive(case(), estimate=tight)
    assert found[0].value == QLORA
    assert found[0].reason == "LoRA would need 18.2 GB, and 16.0 GB are free; with a 4-bit base it fits."
    assert derive(case(), estimate=memory(lora=18 * 10**9, qlora=17 * 10**9))[0].value == LORA
    assert derive(case(machine=None), estimate=tight)[0].value == LORA
    assert derive(case(preset=BALANCED), estimate=ROOMY)[0].value == LORA
