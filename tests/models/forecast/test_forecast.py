from dataclasses import replace

import pytest

from studio.config import FULL, LORA, QLORA, QLORA_8BIT, RunConfig
from studio.errors import ConfigError
from studio.models.architecture import Architecture, read_architecture
from studio.models.forecast.forecast import (
    DOES_NOT_FIT,
    FITS,
    TIGHT,
    TIGHT_SHARE,
    UNKNOWN,
    Forecast,
    Workload,
    compare_methods,
    cost,
    forecast,
)
from studio.models.forecast.plan import FEWEST_TOKENS, TOKENS_AT_ONCE, fullest_tokens, logit_positions
from studio.models.machine import Machine, Rates
from tests.models.known_configs import KNOWN, LLAMA_2_7B

GIB = 2**30
RATES = tuple(
    Rates(precision, flops, 2e10, 5e-6, unpacked_per_second=2e9)
    for precision, flops in (("fp32", 2e11), ("bf16", 4e11))
)
CPU = Machine("cpu", "a processor", 64 * GIB, True, 1, RATES, "key", start_seconds=8.0)
GPU = Machine("cuda", "a GPU", 24 * GIB, True, 2, RATES, "key", start_seconds=8.0)
WORK = Workload(
    examples=400, tokens=100_000, longest=512, learned_tokens=40_000, held_out_examples=40, held_out_tokens=10_000
)
SMOL = read_architecture(KNOWN["SmolLM2-135M"][0])
LLAMA = read_architecture({**LLAMA_2_7B, "dtype": "bfloat16"})
CONFIG = RunConfig()


def estimate(
    config: RunConfig = CONFIG,
    *,
    architecture: Architecture = SMOL,
    machine: Machine = CPU,
    workload: Workload | None = WORK,
) -> Forecast:
    return forecast(architecture, config, machine=machine, workload=workload)


def part(found: Forecast, name: str) -> int:
    return next(part.bytes for part in found.memory if part.name == name)


def test_the_parts_make_the_whole() -> None:
    found = estimate()
    assert found.memory_bytes == sum(part.bytes for part in found.memory)
    assert [part.name for part in found.memory] == [
        "Weights",
        "Adapters",
        "Gradients",
        "Optimiser",
        "Activations",
        "Logits",
        "Program",
    ]
    assert found.parameters == 134_515_008
    assert found.trainable == 4_884_480
    assert part(found, "Weights") == 2 * found.parameters
    assert part(found, "Optimiser") == 8 * found.trainable
    assert found.file_bytes == 4 * found.trainable < found.disk_bytes


def test_llama_2_7b_on_a_gpu_needs_what_people_report() -> None:
    """13 GB of weights in 16 bits; 3.5 in NF4; AdamW of all weights takes 16 bytes for each."""
    lora = estimate(architecture=LLAMA, machine=GPU)
    packed = estimate(RunConfig(method=QLORA), architecture=LLAMA, machine=GPU)
    full = estimate(RunConfig(method=FULL), architecture=LLAMA, machine=GPU)
    assert part(lora, "Weights") == 2 * 6_738_415_616
    assert 3.5 * 1e9 < part(packed, "Weights") < 4.2 * 1e9
    wide = estimate(RunConfig(precision="fp32"), architecture=LLAMA, machine=GPU)
    assert wide.memory_bytes > 1.4 * lora.memory_bytes
    assert full.memory_bytes > 16 * 6_738_415_616
    assert full.trainable == full.parameters
    assert full.file_bytes == 2 * full.parameters
    assert (lora.verdict, packed.verdict, full.verdict) == (FITS, FITS, DOES_NOT_FIT)


@pytest.mark.parametrize(
    ("changes", "grows"),
    [
        ({"rank": 64}, ("memory_bytes", "seconds", "trainable", "file_bytes")),
        ({"dora": True}, ("trainable",)),
        ({"train_embeddings": True}, ("memory_bytes", "trainable", "file_bytes")),
        ({"method": FULL}, ("memory_bytes", "seconds", "trainable", "file_bytes")),
        ({"epochs": 6}, ("seconds",)),
        ({"checkpointing": "on"}, ("seconds",)),
        ({"precision": "fp32"}, ("seconds",)),
        ({"micro_batch_tokens": 2048}, ("memory_bytes",)),
        ({"method": QLORA}, ("seconds",)),
    ],
)
def test_what_costs_more(changes: dict[str, object], grows: tuple[str, ...]) -> None:
    one = replace(CONFIG, switched_off=("side-by-side",))  # two at once is a choice of its own, which some take away
    plain, changed = estimate(one), estimate(replace(one, **changes))  # type: ignore[arg-type]
    for name in grows:
        assert getattr(changed, name) > getattr(plain, name), name


@pytest.mark.parametrize(
    ("changes", "shrinks"),
    [
        ({"targets": "attention"}, ("memory_bytes", "seconds", "trainable")),
        ({"optimizer": "adamw-8bit"}, ("memory_bytes",)),
        ({"checkpointing": "on"}, ("memory_bytes",)),
    ],
)
def test_what_costs_less(changes: dict[str, object], shrinks: tuple[str, ...]) -> None:
    plain, changed = estimate(), estimate(replace(CONFIG, **changes))  # type: ignore[arg-type]
    for name in shrinks:
        assert getattr(changed, name) < getattr(plain, name), name


def test_batches_side_by_side_take_memory_on_a_processor_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is one small batch has nothing to compute beside it."""
    one = replace(CONFIG, switched_off=("side-by-side",))
    assert part(estimate(), "Activations") == pytest.approx(2 * part(estimate(one), "Activations"))
    short = replace(WORK, examples=1, tokens=100, learned_tokens=50, longest=100)
    assert estimate(workload=short).memory_bytes == estimate(one, workload=short).memory_bytes
    assert estimate(machine=GPU).memory_bytes == estimate(one, machine=GPU).memory_bytes
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert estimate().memory_bytes == estimate(one).memory_bytes


def test_a_packed_base_saves_memory_where_the_base_is_most_of_it() -> None:
    """Not on a processor with a small model: the holes that unpacking leaves cost more than the weights did."""
    roomy = replace(GPU, memory_bytes=80 * GIB)
    methods = (LORA, QLORA_8BIT, QLORA)
    sizes = [estimate(RunConfig(method=each), architecture=LLAMA, machine=roomy).memory_bytes for each in methods]
    assert sizes == sorted(sizes, reverse=True)
    assert estimate(RunConfig(method=QLORA)).memory_bytes > estimate().memory_bytes


def test_memory_decides_how_the_engine_runs() -> None:
    ample = estimate()
    assert (ample.checkpointing, ample.micro_batch_tokens, ample.verdict) == (False, TOKENS_AT_ONCE["cpu"], FITS)
    roomy = replace(GPU, memory_bytes=80 * GIB)
    half = estimate(RunConfig(micro_batch_tokens=TOKENS_AT_ONCE["cuda"] // 4), architecture=LLAMA, machine=roomy)
    tight = replace(GPU, memory_bytes=round(half.memory_bytes / TIGHT_SHARE) + 1)
    smaller = estimate(architecture=LLAMA, machine=tight)
    assert not smaller.checkpointing
    assert smaller.micro_batch_tokens == TOKENS_AT_ONCE["cuda"] // 4
    assert smaller.verdict == FITS
    fixed = RunConfig(micro_batch_tokens=1024)
    need = estimate(fixed).memory_bytes
    twice = estimate(fixed, machine=replace(CPU, memory_bytes=need))
    assert twice.checkpointing
    assert twice.micro_batch_tokens == 1024
    off = estimate(RunConfig(micro_batch_tokens=1024, checkpointing="off"), machine=replace(CPU, memory_bytes=need))
    assert (off.checkpointing, off.verdict) == (False, TIGHT)
    least = estimate(machine=replace(CPU, memory_bytes=1))
    assert (least.checkpointing, least.micro_batch_tokens) == (True, FEWEST_TOKENS["cpu"])
    assert estimate(machine=replace(CPU, memory_bytes=0)).verdict == UNKNOWN


def test_a_remedy_is_one_change_that_makes_it_fit() -> None:
    small = replace(GPU, memory_bytes=13 * GIB)
    found = estimate(architecture=LLAMA, machine=small)
    assert found.verdict == DOES_NOT_FIT
    assert found.remedy is not None
    assert found.remedy.changes == (("method", QLORA),)
    changed = replace(CONFIG, **dict(found.remedy.changes))
    assert estimate(changed, architecture=LLAMA, machine=small).verdict == FITS


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(method=FULL),
        RunConfig(checkpointing="off", micro_batch_tokens=8192, max_length=8192),
        RunConfig(rank=512),
        RunConfig(precision="fp32", initialisation="pissa"),
        RunConfig(train_embeddings=True, optimizer="adamw-8bit"),
        RunConfig(max_length=8192, micro_batch_tokens=8192),
    ],
)
def test_every_remedy_does_what_it_says(config: RunConfig) -> None:
    found = estimate(config, architecture=LLAMA, machine=GPU, workload=None)
    for share in (0.9, 0.7, 0.5, 0.35):
        machine = replace(GPU, memory_bytes=round(share * found.memory_bytes))
        tight = estimate(config, architecture=LLAMA, machine=machine, workload=None)
        if tight.verdict == DOES_NOT_FIT and tight.remedy and tight.remedy.changes:
            changed = replace(config, **dict(tight.remedy.changes))
            assert estimate(changed, architecture=LLAMA, machine=machine, workload=None).verdict in (FITS, TIGHT)


def test_nothing_makes_a_model_fit_that_is_far_too_large() -> None:
    found = estimate(architecture=LLAMA, machine=replace(CPU, memory_bytes=GIB))
    assert found.remedy is not None
    assert found.remedy.changes == ()
    assert "smaller base model" in found.remedy.text
    assert estimate().remedy is None


def test_time_needs_data_and_a_calibration() -> None:
    assert estimate(workload=None).seconds is None
    assert estimate(machine=replace(CPU, rates=())).seconds is None
    assert estimate(workload=replace(WORK, examples=0)).seconds is None
    assert estimate().seconds is not None


def test_time_follows_the_data() -> None:
    once, twice = (estimate(RunConfig(epochs=epochs)).seconds or 0 for epochs in (1, 2))
    thrice = estimate(RunConfig(epochs=3)).seconds or 0
    assert thrice - twice == pytest.approx(twice - once, rel=0.05), "the prompts to watch are asked a little more often"
    large = replace(WORK, examples=4000, tokens=1_000_000, learned_tokens=400_000)
    assert 5 < (estimate(workload=large).seconds or 0) / (estimate().seconds or 1) < 10.1
    shared = estimate(RunConfig(data_parallel=True), machine=GPU).seconds or 0
    assert shared < (estimate(machine=GPU).seconds or 0)


def test_the_fullest_micro_batch() -> None:
    config = RunConfig(batch_size=8)
    assert fullest_tokens(config, None, budget=1024) == 1024
    assert fullest_tokens(RunConfig(max_length=2048), None, budget=1024) == 2048
    assert fullest_tokens(config, Workload(1, 30, 30, 9, 0, 0), budget=1024) == 30


@pytest.mark.parametrize(
    ("shortest", "longest", "batch_size", "budget"),
    [
        (100, 400, 8, 1024),
        (400, 400, 8, 1024),
        (300, 300, 8, 1000),
        (20, 90, 8, 1024),
        (900, 1000, 2, 1024),
        (100, 400, 16, 1024),
        (100, 400, 4, 1024),
        (10, 1000, 8, 1024),
        (100, 400, 8, 2048),
        (100, 400, 8, 512),
    ],
)
def test_the_fullest_micro_batch_is_near_what_the_engine_makes(
    shortest: int, longest: int, batch_size: int, budget: int
) -> None:
    from studio.ml.batches import TokenRow, cut, epoch_steps

    lengths = [shortest + (longest - shortest) * row // 59 for row in range(60)]
    rows = [TokenRow([0] * length, [0] * length) for length in lengths]
    steps = epoch_steps(rows, batch_size=batch_size, seed=42, epoch=0)
    groups = [group for step in steps for group in cut(step, token_budget=budget, packed=True)]
    fullest = max(sum(len(row.ids) for row in group) for group in groups)
    work = Workload(60, sum(lengths), longest, sum(lengths) // 2, 0, 0)
    assert fullest_tokens(RunConfig(batch_size=batch_size), work, budget=budget) == pytest.approx(fullest, rel=0.1)


def test_methods_side_by_side() -> None:
    rows = compare_methods(LLAMA, CONFIG, machine=GPU, workload=WORK)
    assert [row.method for row in rows] == [FULL, LORA, QLORA]
    full, lora, qlora = (row.forecast for row in rows)
    assert full.memory_bytes > lora.memory_bytes > qlora.memory_bytes
    assert full.trainable > lora.trainable == qlora.trainable
    assert all(row.given_up.endswith(".") for row in rows)
    assert lora == estimate(architecture=LLAMA, machine=GPU)


def test_a_mixture_of_experts_computes_with_the_experts_that_it_asks() -> None:
    mixture = read_architecture(KNOWN["Qwen3-30B-A3B"][0])
    dense = read_architecture(KNOWN["Qwen2.5-7B"][0])
    assert mixture.parameters > 4 * dense.parameters
    many = replace(WORK, examples=400_000, tokens=10**8)
    slow, quick = (estimate(architecture=each, workload=many).seconds or 0 for each in (dense, mixture))
    assert 0 < quick < slow


def test_unknown_modules_are_a_sentence() -> None:
    with pytest.raises(ConfigError, match="no module named"):
        estimate(RunConfig(targets="chosen", chosen_modules=("w_pack",)))


def test_an_adapter_that_took_a_part_of_the_base_is_saved_at_twice_the_rank() -> None:
    plain, moved = estimate(), estimate(RunConfig(initialisation="pissa"))
    assert moved.trainable == plain.trainable
    assert moved.file_bytes == 2 * plain.file_bytes
    assert moved.disk_bytes == plain.disk_bytes + 2 * plain.file_bytes


def test_price() -> None:
    assert cost(1800, 2.5) == 1.25


def test_a_gpu_makes_the_logits_of_more_positions_at_once_the_fewer_words_there_are() -> None:
    assert logit_positions("cpu", 32_000) == logit_positions("cuda", 1_000_000) == 256
    assert logit_positions("cuda", 151_936) == 512
    assert logit_positions("cuda", 49_152) == 1792
    assert logit_positions("cuda", 97) == 4096


def test_a_gpu_that_waits_for_small_batches_computes_blocks_twice_instead() -> None:
    rates = (Rates("bf16", 6e14, 2e12, 2e-5),)
    gpu = replace(GPU, memory_bytes=24 * GIB, rates=rates)
    work = Workload(64, 131_072, 2048, 65_536, 0, 0)
    small = KNOWN["Qwen3-0.6B"][0]
    qwen = read_architecture({**small, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
                              "num_attention_heads": 32})  # fmt: skip
    quick = estimate(RunConfig(max_length=2048), architecture=qwen, machine=gpu, workload=work)
    slow = estimate(
        RunConfig(max_length=2048),
        architecture=qwen,
        machine=replace(gpu, rates=(replace(rates[0], flops=6e13, bytes_per_second=5e11),)),
        workload=work,
    )
    assert quick.checkpointing
    assert quick.micro_batch_tokens > slow.micro_batch_tokens
    assert not slow.checkpointing
