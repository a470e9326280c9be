"""What the number of examples means, in a sentence. Knows nothing of times: those depend on model and machine."""

FEW = 20
"""With fewer examples than this a model learns them by heart."""


def coaching(usable: int, *, tokens: int = 0) -> str:
    """Say what a set of this size is good for. `tokens` is the total over all examples, 0 while it is not known."""
    if usable <= 0:
        return "There is nothing to learn from yet. Add a few examples; with 20 or more you can make a first try."
    length = tokens / usable if tokens else 0.0
    short = " They are very short, so take twice as many." if usable < 1000 and 0 < length < 20 else ""
    if usable < FEW:
        return f"{_examples(usable)}: very few. The model will learn them by heart; 100 or more make it learn a habit."
    if usable < 100:
        return (
            f"{_examples(usable)}: enough for a first try. A style or a format settles better with 100 or more.{short}"
        )
    if usable < 1000:
        return (
            f"{_examples(usable)}: enough to learn a voice or a format. "
            f"Facts and harder tasks gain from more, as long as they are as good.{short}"
        )
    if usable < 20_000:
        return f"{_examples(usable)}: plenty. From here on, better examples help more than further ones."
    if usable < 200_000:
        return (
            f"{_examples(usable)}: a large set. One pass over it is usually enough; "
            "try a few thousand first to see whether it does what you want."
        )
    return (
        f"{_examples(usable)}: more than most fine-tuning needs, and a lot of work for one machine. "
        "Take a few thousand of the best first, and look at the time on the Configure tab before you take all."
    )


def _examples(number: int) -> str:
    return "1 example" if number == 1 else f"{number:,} examples"
