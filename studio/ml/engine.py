"""A model made ready to be trained fast, and its loss: which of the speed-ups are on, and what each replaces.

With all of them off, this is plain transformers and peft on padded rows. Each can be switched off by its name in
`RunConfig.switched_off`; one that a model does not bear is left out, which is tried out on the model and never
guessed from its name. Does not know of steps, optimisers or runs.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from torch.nn import functional

from studio.config import ADAMW, SPEEDUPS, RunConfig
from studio.events import SpeedUps
from studio.ml.accelerator import start_gradients
from studio.ml.batches import Batch, TokenRow, collate, cut
from studio.ml.loading import BF16, Placement
from studio.ml.speed import elementwise
from studio.ml.speed.adapted import Joined, fusible, sharing
from studio.ml.speed.attention import separate_attention
from studio.ml.speed.logits import Head, cross_entropies, summed_cross_entropy
from studio.ml.speed.packing import Packing, choose_attention, head_size, in_8_bits, why_not_packed
from studio.models.forecast.plan import SIDE_BY_SIDE, TOKENS_AT_ONCE, joining_pays, why_not_side_by_side

_PROBE_TOKENS = 8


class Engine:
    """A model with its speed-ups on. `undo` turns it back into what it was, with all that it has learned.

    `join` says whether projections are joined; None leaves it to what pays on this device.
    """

    def __init__(
        self,
        model: Any,
        *,
        config: RunConfig,
        placement: Placement,
        pad_id: int,
        checkpointing: bool = False,
        micro_batch_tokens: int = 0,
        join: bool | None = None,
    ) -> None:
        self.model = model
        self.config = config
        self.placement = placement
        self.tokens_at_once = micro_batch_tokens or config.micro_batch_tokens or TOKENS_AT_ONCE[placement.device]
        self.has_halved = False
        start_gradients(placement.device)
        self._pad_id = pad_id
        self._inner: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        self._joined: list[Joined] = []
        self._left_out: dict[str, str] = dict.fromkeys(config.switched_off, "switched off")
        self._attention = "the model's own"
        self._undo: list[Callable[[], None]] = []
        if placement.precision != BF16:  # in fp16 small changes would be lost
            self._leave_out("low-precision-adapters", f"the run computes in {placement.precision}")
        elif self._has("low-precision-adapters"):
            self._lower_adapters()
        kinds = {each.dtype for each in model.parameters() if each.is_floating_point()}
        self._casts = placement.precision != "fp32" and kinds != {placement.dtype}
        self._transform = transform_of_logits(self._inner) if self._has("learned-logits") else None
        if self._transform is None and not takes_logits_to_keep(self._inner):
            self._leave_out("learned-logits", "something else than the head makes this model's logits")
        joins = joining_pays(placement.device, placement.precision) if join is None else join
        self._join_layers(joins=joins and self._has("joined-projections"))
        if self._has("fused-elementwise"):
            with self._autocast():
                self._undo.append(elementwise.replace_all(self._inner, placement.dtype))
        self._packing: Packing | None = None
        self._pack()
        self._choose_streams()
        if config.optimizer != ADAMW:
            self._leave_out("fused-optimizer", "it is another optimiser")
        if checkpointing:
            self._checkpoint()

    @property
    def is_packed(self) -> bool:
        """Whether rows lie end to end."""
        return self._packing is not None

    @property
    def speedups(self) -> SpeedUps:
        """Which speed-ups are on, and why the others are not."""
        return SpeedUps(
            on=tuple(name for name in SPEEDUPS if name not in self._left_out),
            left_out=tuple(f"{name}: {reason}" for name, reason in self._left_out.items()),
            attention=self._attention,
        )

    @property
    def side_by_side(self) -> int:
        """How many batches can be computed at once, each by a thread of its own."""
        return 1 if "side-by-side" in self._left_out else SIDE_BY_SIDE

    @contextmanager
    def whole_pass(self) -> Iterator[None]:
        """Let go of a pass of this thread that breaks off within the block."""
        try:
            yield
        except (MemoryError, RuntimeError):
            for joined in self._joined:
                joined.clear()
            raise

    def undo(self) -> None:
        """Take every speed-up off the model."""
        for undo in reversed(self._undo):
            undo()
        self._undo = []

    @contextmanager
    def unpacked(self) -> Iterator[None]:
        """Let the model attend by itself for a moment, so that it can write."""
        if self._packing is not None:
            self._packing.undo()
        try:
            yield
        finally:
            if self._packing is not None:
                self._packing.apply()

    def halve(self) -> None:
        """Take half as many tokens at once from now on."""
        self.tokens_at_once = max(1, self.tokens_at_once // 2)
        self.has_halved = True

    def cut(self, rows: Sequence[TokenRow], *, parts: int = 1) -> list[Sequence[TokenRow]]:
        """Cut rows into the groups that go through the model at once, at least `parts` where there are as many rows."""
        return cut(rows, token_budget=self.tokens_at_once, packed=self.is_packed, parts=parts)

    def batch(self, rows: Sequence[TokenRow]) -> Batch:
        """Lay rows out as this model reads them."""
        return collate(rows, packed=self.is_packed, pad_id=self._pad_id, device=self.placement.device)

    def summed_loss(self, batch: Batch) -> torch.Tensor:
        """Return the cross-entropy summed over the learned tokens of a batch; a scalar in fp32."""
        with self._autocast():
            if self._transform is not None:
                return summed_cross_entropy(self._hidden(batch), self._head(), batch.targets)
            return functional.cross_entropy(self._logits(batch).float(), batch.targets, reduction="sum")

    def token_losses(self, batch: Batch) -> torch.Tensor:
        """Return the cross-entropy of each learned token of a batch, row after row; (learned,) in fp32, no gradient."""
        with torch.no_grad(), self._autocast():
            if self._transform is not None:
                return cross_entropies(self._hidden(batch), self._head(), batch.targets)
            return functional.cross_entropy(self._logits(batch).float(), batch.targets, reduction="none")

    def _head(self) -> Head:
        scale, softcap = self._transform or (1.0, None)
        return Head(*head_of(self._inner), scale=scale, softcap=softcap)

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        inputs: dict[str, Any] = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
        if self._packing is not None:
            self._packing.announce(batch.lengths)
            inputs["position_ids"] = batch.positions
        return inputs

    def _hidden(self, batch: Batch) -> torch.Tensor:
        """Return what the decoder gives at the learned positions, (learned, width)."""
        hidden: torch.Tensor = self._inner.get_decoder()(**self._inputs(batch)).last_hidden_state
        return hidden.flatten(0, 1).index_select(0, batch.places)

    def _logits(self, batch: Batch) -> torch.Tensor:
        """Return the logits at the learned positions, (learned, words)."""
        inputs = self._inputs(batch)
        if self._has("learned-logits") and takes_logits_to_keep(self._inner):
            rows, width = batch.ids.shape
            wanted = torch.zeros(rows * width, dtype=torch.bool, device=batch.ids.device)
            wanted[batch.places] = True
            kept: torch.Tensor = self._inner(**inputs, logits_to_keep=wanted.view(rows, width)).logits
            return kept
        logits: torch.Tensor = self._inner(**inputs).logits.flatten(0, 1)[batch.places]
        return logits

    def _has(self, name: str) -> bool:
        return name not in self.config.switched_off

    def _leave_out(self, name: str, reason: str) -> None:
        self._left_out.setdefault(name, reason)

    def _pack(self) -> None:
        """Let rows lie end to end where the model computes them so as it does alone."""
        if not self._has("packing"):
            return self._leave_out("fast-attention", "rows are not packed")
        placement, fast = self.placement, self._has("fast-attention")
        attend = choose_attention(placement.device, placement.dtype, size=head_size(self._inner), fast=fast)
        if attend is separate_attention:
            self._leave_out("fast-attention", f"no faster attention for {placement.precision} on this device is right")
        with self._autocast():
            reason = why_not_packed(self._inner, attend)
        if reason:
            self._leave_out("packing", reason)
            return self._leave_out("fast-attention", "rows are not packed")
        self._attention = attend.__name__.replace("_", " ")
        self._packing = Packing(self._inner, attend)
        self._undo.append(self._packing.undo)
        return None

    def _autocast(self) -> AbstractContextManager[Any]:
        """Cast by the operation where weights are in several formats, and not at all where they are in one."""
        if not self._casts:
            return nullcontext()
        return torch.autocast(self.placement.device, self.placement.dtype)

    def _lower_adapters(self) -> None:
        """Keep what is trained in the precision of the computation; the optimiser keeps fp32 masters of it."""
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(self.placement.dtype)

    def _join_layers(self, *, joins: bool) -> None:
        over_packed = self.placement.device != "cpu"  # a processor spends its time with unpacking
        layers: list[nn.Module] = [each for each in self._inner.modules() if fusible(each, over_packed=over_packed)]
        if not layers:
            self._leave_out("fused-adapters", "no layer is plain LoRA over an unpacked weight in one number format")
        if not layers or not self._has("fused-adapters"):
            return self._leave_out("joined-projections", "adapters are not fused")
        if not joins:
            self._leave_out("joined-projections", f"they gain nothing in {self.placement.precision} on this device")
        groups = [[layer] for layer in layers]
        if joins:
            shared = sharing(layers, self._probe)
            grouped = {layer for group in shared for layer in group}
            groups = [*shared, *([layer] for layer in layers if layer not in grouped)]
        self._joined = [Joined(group) for group in groups]
        self._undo.extend(joined.undo for joined in self._joined)
        return None

    def _probe(self) -> None:
        ids = torch.zeros((1, _PROBE_TOKENS), dtype=torch.long, device=self._inner.device)
        with torch.no_grad():
            self._inner(input_ids=ids, use_cache=False)

    def _choose_streams(self) -> None:
        reason = why_not_side_by_side(self.config, self.placement.device, cores=torch.get_num_threads())
        if reason or (reason := _why_in_order(self._inner)):
            self._leave_out("side-by-side", reason)

    def _checkpoint(self) -> None:
        self._inner.activation_checkpointing_enable({"use_reentrant": False})
        self._undo.append(self._inner.activation_checkpointing_disable)


def _why_in_order(model: Any) -> str:
    """Say why batches of a model have to be computed in order: what it draws, or changes in itself; else nothing."""
    if in_8_bits(model):
        return "layers in 8 bits change while they compute"
    config = model.config.get_text_config()
    shares = [value for name, value in config.to_dict().items() if name.endswith(("dropout", "_pdrop", "jitter_noise"))]
    if any(shares) or any(isinstance(each, nn.Dropout) and each.p > 0 for each in model.modules()):
        return "the model drops out at random"
    if any(kind in repr(getattr(config, "rope_parameters", "")) for kind in ("dynamic", "longrope")):
        return "the model changes its positions with the length"
    return ""


def takes_logits_to_keep(model: Any) -> bool:
    """Tell whether the model's forward pass can skip the logits that nobody asks for."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def head_of(model: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return weight and bias of a model's output head, those of its trained copy where that is the one that answers."""
    head = _head(model)
    return head.weight, getattr(head, "bias", None)


def _head(model: Any) -> Any:
    head = model.get_output_embeddings()
    if not hasattr(head, "modules_to_save"):
        return head
    if head.disable_adapters or head.active_adapters[0] not in head.modules_to_save:
        return head.original_module
    return head.modules_to_save[head.active_adapters[0]]


def transform_of_logits(model: Any) -> tuple[float, float | None] | None:
    """Find scale and softcap with which a model's logits are its head applied to what its decoder returns; None where
    they are something else.

    Both are read from the config, where families keep them under several names, and tried out on the model: the first
    that gives the model's own logits is taken.
    """
    if type(_head(model)) is not nn.Linear:
        return None
    weight, bias = head_of(model)
    ids = torch.arange(_PROBE_TOKENS, device=model.device)[None] % weight.shape[0]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            whole = model(input_ids=ids, use_cache=False).logits
            hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state.to(weight.dtype)
            tolerance = 1e-3 if whole.dtype == torch.float32 else 1e-2  # a scale rounds once more in 16 bits
            size = float(whole.float().nan_to_num(0, 0, 0).abs().max())
            for scale, softcap in _transforms(model.config.get_text_config()):
                apart = Head(weight, bias, scale=scale, softcap=softcap).logits(hidden)
                if torch.allclose(whole.float(), apart, rtol=tolerance, atol=tolerance * size, equal_nan=True):
                    return scale, softcap
    except (AttributeError, TypeError):
        return None
    finally:
        model.train(was_training)
    return None


def _transforms(config: Any) -> Iterator[tuple[float, float | None]]:
    """List the scales and softcaps that a config may mean, those that it names before none."""
    named = [getattr(config, name, None) for name in ("logits_scaling", "logit_scale", "lm_head_multiplier")]
    factors = [float(each) for each in named if isinstance(each, int | float) and each]
    scales = dict.fromkeys([*(each for factor in factors for each in (1 / factor, factor)), 1.0])
    caps = [getattr(config, name, None) for name in ("final_logit_softcapping", "logits_soft_cap")]
    for softcap in dict.fromkeys([*(float(each) for each in caps if isinstance(each, int | float) and each), None]):
        for scale in scales:
            yield scale, softcap
