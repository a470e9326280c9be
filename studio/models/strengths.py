"""How strongly an adapter may speak: from 0, which is the base, past 1, which is the adapter as it was trained."""

import math

from studio.errors import ModelError, StudioError

STRONGEST = 1.5


def check_strength(strength: float, raising: type[StudioError] = ModelError) -> None:
    """Raises `raising` for a strength that no adapter has."""
    if not (math.isfinite(strength) and 0 <= strength <= STRONGEST):
        raise raising(f"An adapter has no strength of {strength:g}.", f"Choose one from 0 to {STRONGEST:g}.")
