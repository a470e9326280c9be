"""The README that goes with an export: what it is, how it was made, and the lines that load it."""

from studio.config import STARTER
from studio.runs.store import RunFolder

_LOAD = {
    "adapter": """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "{base}"
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "PATH OF THIS FOLDER")
tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")
```""",
    "merged": """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("PATH OF THIS FOLDER")
tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")
```""",
}


STARTER_NOTE = (
    "The base is the studio's starter model. Without the Hub that is a 4-bit copy, unpacked to "
    "fp32: on the original weights this adapter answers almost, not exactly, as it did in the studio.\n"
)


def card_of(run: RunFolder, *, kind: str, base_name: str, steps: int) -> str:
    """Write the model card of an export.

    `kind` is "adapter" or "merged", `base_name` what loads the base elsewhere, `steps` how many were really done.
    """
    config, origin = run.config, run.origin
    note = STARTER_NOTE if config.model == STARTER else ""
    what = "A LoRA adapter" if kind == "adapter" else "A language model with a LoRA adapter merged into it"
    base = {4: "4-bit NF4", 8: "8-bit"}.get(config.base_bits, "unquantised")
    return f"""# {config.name or run.id}

{what}, made with LoRA Studio.

| | |
|---|---|
| base model | {base_name} ({base} while training) |
| data | {origin.dataset_name} (sha256 {origin.dataset_sha256[:12]}) |
| rank, alpha, dropout | {config.rank}, {config.alpha}, {config.dropout} |
| target modules | {config.targets} {", ".join(config.chosen_modules)} |
| learning rate, schedule | {config.learning_rate:g}, {config.schedule} |
| epochs, batch, longest example | {config.epochs}, {config.batch_size}, {config.max_length} |
| steps done | {steps} |
| seed | {config.seed} |

{note}
{_LOAD[kind].replace("{base}", base_name)}
"""
