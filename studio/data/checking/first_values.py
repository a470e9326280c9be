"""The first value that came with each key, for very many keys."""

import secrets
from array import array

_FEWEST_PLACES = 1024


class FirstValues:
    """Remembers numbers of 64 bits by keys of 64 bits, in 24 to 48 bytes each where a dict takes about 200.

    Where a key is looked for follows from a number drawn here, so that no file can be made to have all in one place.
    """

    def __init__(self) -> None:
        self._count = 0
        self._factor = secrets.randbits(64) | 1
        self._keys = array("Q", bytes(8 * _FEWEST_PLACES))
        self._values = array("Q", bytes(8 * _FEWEST_PLACES))

    def first(self, key: int, value: int) -> int:
        """Return the value that came first with this key: this one, where the key is new."""
        key = key or 1  # 0 is a free place
        keys, mask = self._keys, len(self._keys) - 1
        place = ((key * self._factor) >> 32) & mask
        while found := keys[place]:
            if found == key:
                return self._values[place]
            place = (place + 1) & mask
        keys[place], self._values[place] = key, value
        self._count += 1
        if 3 * self._count > 2 * len(keys):
            self._grow()
        return value

    def _grow(self) -> None:
        keys, values = self._keys, self._values
        self._keys, self._values = (array("Q", bytes(16 * len(keys))) for _ in range(2))
        self._count = 0
        for key, value in zip(keys, values, strict=True):
            if key:
                self.first(key, value)
