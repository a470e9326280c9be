"""From rows to examples: which column plays which part."""
