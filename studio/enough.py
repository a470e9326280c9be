"""How many examples and steps are enough, for all that says so: before a run, beside its settings and after it."""

VERY_FEW, FOR_A_HABIT, MANY = 20, 100, 1000
"""With fewer examples than the first a model learns them by heart; a style or a format takes the second; facts and
harder tasks gain from more than that."""

FEW_STEPS, ENOUGH_STEPS = 30, 60
"""A run of fewer steps than the first changes little; the second is what is suggested instead."""


def few_examples(number: int) -> str:
    """Say what so many examples are good for, as the end of a sentence; empty where they are enough."""
    if number < VERY_FEW:
        return f"very few. The model will learn them by heart; {FOR_A_HABIT} or more make it learn a habit."
    if number < FOR_A_HABIT:
        return f"enough for a first try. A style or a format settles better with {FOR_A_HABIT} or more."
    return ""
