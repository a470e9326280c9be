"""The password of the studio: how it is compared, and how often it may be tried."""

import hmac
from collections import deque
from collections.abc import Callable

TRIES = 5
"""How many wrong passwords an address may send in a minute."""

TRIES_IN_ALL = 30
"""How many wrong passwords all addresses together may send in a minute: an attacker may have many."""

SECONDS = 60.0

LONGEST_FORM = 4096
"""The longest login form that is read, in bytes."""

MESSAGE = "This studio asks for a password. Any name will do."


def check(password: str) -> Callable[[str, str], bool]:
    """Make what Gradio asks at a login. Any name will do. A wrong password takes as long as the right one."""
    expected = password.encode("utf-8", "surrogateescape")

    def is_right(_name: str, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected)

    return is_right


class Tries:
    """Counts the wrong passwords of the last minute. Time is passed in."""

    def __init__(self, clock: Callable[[], float], *, each: int = TRIES, in_all: int = TRIES_IN_ALL) -> None:
        self._clock = clock
        self._each = each
        self._in_all = in_all
        self._made: deque[tuple[float, str]] = deque()

    def begin(self, address: str) -> float:
        """Count a try as wrong before it is known. Returns 0, or the seconds to wait where it is one too many."""
        now = self._clock()
        while self._made and self._made[0][0] <= now - SECONDS:
            self._made.popleft()
        own = [time for time, of in self._made if of == address]
        waits = [own[0]] if len(own) >= self._each else []
        waits += [self._made[0][0]] if len(self._made) >= self._in_all else []
        if waits:
            return max(waits) + SECONDS - now
        self._made.append((now, address))
        return 0.0

    def forgive(self, address: str) -> None:
        """Take the newest try of an address back: the password was right."""
        for index in range(len(self._made) - 1, -1, -1):
            if self._made[index][1] == address:
                del self._made[index]
                return
