"""A machine, a model and forecasts of them that a test sets: no measuring, no arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from studio.config import RunConfig
from studio.errors import ModelError
from studio.models.architecture import Architecture
from studio.models.forecast.forecast import DOES_NOT_FIT, FITS, TIGHT, Forecast, MethodRow, Part, Remedy, Workload
from studio.models.forecast.run_time import RunTime
from studio.models.layout import LinearLayer, ModelLayout
from studio.models.machine import Machine, Rates
from studio.planning.forecasts import Forecasts

LAYERS = tuple(LinearLayer(f"model.layers.0.self_attn.{name}_proj", 64, 64) for name in "qkvo")
MODEL = Architecture(
    family="llama",
    layers=1,
    hidden=64,
    intermediate=128,
    heads=4,
    kv_heads=4,
    head_size=16,
    vocabulary=258,
    context=2048,
    tied=True,
    layout=ModelLayout(1_000_000, LAYERS),
    embedding_parameters=258 * 64,
    head_parameters=0,
)
MACHINE = Machine(
    device="cpu",
    name="a processor",
    memory_bytes=8_000_000_000,
    bf16=True,
    devices=1,
    rates=(Rates("bf16", 4e11, 1e10, 1e-5),),
    versions="",
)
REMEDY = Remedy("Set the longest example to 256 tokens.", (("max_length", 256),))


@dataclass
class Oracle:
    """Forecasts by method: how many bytes it needs. Time is ten seconds for each step of rank and epoch."""

    needs: Mapping[str, int] = field(default_factory=dict)
    machine: Machine | None = MACHINE
    model: Architecture | None = MODEL
    trouble: str = ""
    remedy: Remedy | None = REMEDY
    asked: list[tuple[RunConfig, Workload | None]] = field(default_factory=list)

    def forecasts(self) -> Forecasts:
        return Forecasts(
            machine=lambda: self.machine, architecture=self.architecture, estimate=self.estimate, compare=self.compare
        )

    def architecture(self, model: str) -> Architecture | None:
        if self.trouble:
            raise ModelError(self.trouble)
        return self.model

    def estimate(
        self, architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None
    ) -> Forecast:
        self.asked.append((config, workload))
        need = self.needs.get(config.method, 1_000_000_000)
        full = config.method == "full"
        verdict = FITS if need < 0.85 * machine.memory_bytes else TIGHT
        if need > machine.memory_bytes:
            verdict = DOES_NOT_FIT
        return Forecast(
            trainable=architecture.parameters if full else 1_000 * config.rank,
            parameters=architecture.parameters,
            memory=(Part("Weights", need - 1_000), Part("Logits", 1_000), Part("Gradients", 0)),
            time=None if workload is None else RunTime(0.0, 10.0 * config.rank * config.epochs),
            disk_bytes=3_000_000,
            file_bytes=2_000_000,
            verdict=verdict,
            remedy=self.remedy if verdict == DOES_NOT_FIT else None,
            checkpointing=False,
            micro_batch_tokens=1024,
        )

    def compare(
        self, architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None
    ) -> tuple[MethodRow, ...]:
        return tuple(
            MethodRow(
                method,
                self.estimate(architecture, replace(config, method=method), machine=machine, workload=workload),
                f"What {method} gives up & more.",
            )
            for method in ("full", "lora", "qlora")
        )
