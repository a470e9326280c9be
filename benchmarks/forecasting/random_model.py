"""Write a model with random weights and another's tokenizer: `random_model CONFIG-AS-JSON TOKENIZER-FOLDER TARGET`."""

import json
import shutil
import sys
from pathlib import Path

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")


def main(document: str, tokenizer: Path, target: Path) -> None:
    """Build the model, save it in bf16 as most models come, and put the tokenizer beside it."""
    import torch
    from transformers import CONFIG_MAPPING, AutoModelForCausalLM

    settings = json.loads(document)
    config = CONFIG_MAPPING[settings.pop("model_type")](**settings, bos_token_id=1, eos_token_id=2, pad_token_id=2)
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(target)
    for name in TOKENIZER:
        if (tokenizer / name).is_file():
            shutil.copy(tokenizer / name, target / name)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
