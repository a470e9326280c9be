"""The README that goes with an export: what it is, how it was made, and the lines that load it."""

from studio.runs.store import RunFolder

_LOAD = {
    "adapter": """```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = "PATH OR ID OF THE BASE MODEL"
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), "PATH OF THIS FOLDER")
tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")
```""",
    "merged": """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("PATH OF THIS FOLDER")
tokenizer = AutoTokenizer.from_pretrained("PATH OF THIS FOLDER")
```""",
}


def card_of(run: RunFolder, *, kind: str) -> str:
    """Write the model card of an export. `kind` is "adapter" or "merged"."""
    config, origin = run.config, run.origin
    what = "A LoRA adapter" if kind == "adapter" else "A language model with a LoRA adapter merged into it"
    base = "4-bit NF4" if config.four_bit else "unquantised"
    return f"""# {config.name or run.id}

{what}, made with LoRA Studio.

| | |
|---|---|
| base model | {config.model} ({base} while training) |
| data | {origin.dataset_name} (sha256 {origin.dataset_sha256[:12]}) |
| rank, alpha, dropout | {config.rank}, {config.alpha}, {config.dropout} |
| target modules | {config.targets} {", ".join(config.chosen_modules)} |
| learning rate, schedule | {config.learning_rate:g}, {config.schedule} |
| epochs, batch, longest example | {config.epochs}, {config.batch_size}, {config.max_length} |
| seed | {config.seed} |

{_LOAD[kind]}
"""
