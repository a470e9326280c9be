"""Counts the examples whose text a wrong encoding or a careless copy has damaged, and offers to repair it."""

from collections.abc import Iterator

from studio.data.checking.findings import INFO, WARNING, Finding, Tally, offer
from studio.data.checking.repairs import REPAIR_TEXT
from studio.data.checking.text_repair import REPLACED, read_again, without_odd_characters
from studio.wording import counted


class TextFaults:
    """Looks through one text after another."""

    def __init__(self) -> None:
        self._misread = Tally()
        self._odd = Tally()
        self._lost = Tally()

    def add(self, place: int, text: str) -> None:
        """Take all the text of the example at this place."""
        again = read_again(text)
        if again != text:
            self._misread.add(place)
        if without_odd_characters(again) != again:
            self._odd.add(place)
        if REPLACED in again:
            self._lost.add(place)

    def findings(self) -> Iterator[Finding]:
        """Say what was found."""
        if self._misread.count:
            yield Finding(
                "broken-encoding",
                WARNING,
                f"The letters of {counted(self._misread.count, 'example')} were read in the wrong encoding",
                'They look like "cafÃ©" where "café" was meant. The model would learn to write so. '
                "Repairing puts them right.",
                self._misread.count,
                places=self._misread.places,
                fixes=offer(REPAIR_TEXT),
            )
        if self._odd.count:
            verb = "holds" if self._odd.count == 1 else "hold"
            yield Finding(
                "odd-characters",
                INFO,
                f"{counted(self._odd.count, 'example')} {verb} characters that nobody sees",
                "These are control characters, zero-width spaces or hidden marks, often left by copying from a web "
                "page or a PDF. The model reads them all the same. Repairing takes them out.",
                self._odd.count,
                places=self._odd.places,
                fixes=offer(REPAIR_TEXT),
            )
        if self._lost.count:
            yield Finding(
                "lost-characters",
                WARNING,
                f"Characters were lost in {counted(self._lost.count, 'example')}",
                f'The sign "{REPLACED}" stands where a character could not be read. It cannot be brought back here: '
                "save the file again as UTF-8 from where it comes, or leave these out.",
                self._lost.count,
                places=self._lost.places,
            )
