"""Which characters of a text each of its tokens spans."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import itemgetter


@dataclass(frozen=True)
class Tokens:
    """The tokens of one text, with the characters that each spans."""

    text: str
    ids: list[int]
    offsets: list[tuple[int, int]]

    def starting_from(self, place: int) -> int:
        """Return the index of the first token that begins at a character or after it."""
        return bisect_left(self.offsets, place, key=itemgetter(0))

    def ending_by(self, place: int) -> int:
        """Return how many tokens end at a character or before it."""
        return bisect_right(self.offsets, place, key=itemgetter(1))

    def last_of(self, place: int) -> str:
        """Return the last token that ends at a character or before it, as it is spelled."""
        start, end = self.offsets[self.ending_by(place) - 1]
        return self.text[start:end].strip()
