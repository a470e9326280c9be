"""Conversations that every GGUF is asked, whatever the run learned. They reach no person."""

from studio.data.examples import Message

OWN: tuple[tuple[Message, ...], ...] = (
    (Message("user", "Hello, who are you?"),),
    (Message("system", "Answer in one word."), Message("user", "Is 1,234.5 more than 999?")),
    (
        Message("user", "Grüße aus Köln: schön!"),
        Message("assistant", "¡Gracias! 你好 🙂"),
        Message("user", "  def f(x):\n\treturn x * 2\n\nWhat's   this?\n"),
    ),
)
"""What is asked of every file: numbers, other alphabets, code and white space are where tokenizers part."""
