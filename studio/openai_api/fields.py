"""Reads the fields of a request, each strictly: what is there, of which kind, and within which bounds.

Whatever is wrong is an `ApiError` that names the field. A field that nobody asks for is unknown, and refused.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from studio.openai_api.shapes import refused


class Fields:
    """The fields of one object. `path` is what stands before their names in an error. `null` counts as not given."""

    def __init__(self, value: object, path: str = "") -> None:
        """Raises ApiError for what is no object."""
        if not isinstance(value, Mapping):
            raise refused(f"{path.rstrip('.') or 'The body'} must be an object; found {kind(value)}.", path or None)
        self._values: Mapping[str, Any] = value
        self._path = path
        self._known: set[str] = set()

    def given(self, name: str) -> Any:
        """Return a field as it is, None where it is not given."""
        self._known.add(name)
        return self._values.get(name)

    def name(self, name: str) -> str:
        """Return the name of a field as an error has it."""
        return f"{self._path}{name}"

    def text(self, name: str, otherwise: str | None = None, *, longest: int = 1000) -> str:
        """Return a text. Raises ApiError where there is none and nothing stands for it."""
        value = self.given(name)
        if value is None and otherwise is not None:
            return otherwise
        if not isinstance(value, str) or len(value) > longest:
            found = f"{len(value):,} characters" if isinstance(value, str) else kind(value)
            at_most = f"a text of at most {longest:,} characters"
            raise refused(f"'{self.name(name)}' must be {at_most}; found {found}.", self.name(name))
        return value

    def number(self, name: str, otherwise: float, *, low: float, high: float) -> float:
        """Return a number within bounds."""
        value = self.given(name)
        if value is None:
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise refused(f"'{self.name(name)}' must be a number; found {kind(value)}.", self.name(name))
        if not low <= value <= high:
            raise refused(f"'{self.name(name)}' must be from {low:g} to {high:g}; found {value}.", self.name(name))
        return float(value)

    def whole(self, name: str, otherwise: int, *, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        value = self.given(name)
        if value is None:
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int):
            raise refused(f"'{self.name(name)}' must be a whole number; found {kind(value)}.", self.name(name))
        if not low <= value <= high:
            raise refused(f"'{self.name(name)}' must be from {low} to {high}; found {value}.", self.name(name))
        return value

    def flag(self, name: str) -> bool:
        """Return a truth value, false where none is given."""
        value = self.given(name)
        if value is not None and not isinstance(value, bool):
            raise refused(f"'{self.name(name)}' must be true or false; found {kind(value)}.", self.name(name))
        return bool(value)

    def only(self, name: str, allowed: Collection[object], why: str) -> None:
        """Refuse any other value than these, with a sentence that says why."""
        value = self.given(name)
        if value is not None and value not in allowed:
            raise refused(why, self.name(name), code="unsupported_parameter")

    def passed_over(self, *names: str) -> None:
        """Name fields that are taken and change nothing here."""
        self._known.update(names)

    def refuse_unknown(self) -> None:
        """Raise ApiError where a field was given that nobody has asked for."""
        unknown = sorted(name for name in self._values if name not in self._known)
        if unknown:
            name = self.name(str(unknown[0])[:80])
            raise refused(f"The field '{name}' is not known to this studio.", name, code="unknown_parameter")


def kind(value: object) -> str:
    """Name the kind of a value of JSON."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")
