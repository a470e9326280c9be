"""Models side by side: asking them, conversations, prompt sheets and blind votes."""
