"""LoRA Studio: fine-tune a language model from a web page, and see what changed."""
