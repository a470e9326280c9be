"""The access token by which a person trains on the Hugging Face Hub: in memory alone, as long as the studio runs."""

import os
from dataclasses import dataclass, field

from studio.errors import ConfigError, RunError
from studio.jobs.tasks import HUB_TOKEN
from studio.models.publishing import is_token, own_token

_NOT_GIVEN = "A run on the Hugging Face Hub needs an access token of the person who pays for it, and none is given."
_LOG_IN = "Run `hf auth login` on this machine or set HF_TOKEN, or give a token below the place on the Configure tab."
_GIVE_ONE = "Give yours below the place on the Configure tab. It is kept until the studio stops, and in no file."


@dataclass
class HubToken:
    """The token of one person, empty until it is given. Where `is_public`, the login of this machine is not theirs."""

    is_public: bool = False
    value: str = field(default="", repr=False)

    def give(self, text: str) -> None:
        """Take a token, or with an empty text forget the one before. Raises ConfigError for what can be none."""
        text = text.strip()
        if text and not is_token(text):
            raise ConfigError("This is no access token of the Hugging Face Hub.", "Copy it again: it begins with hf_.")
        self.value = text

    @property
    def is_known(self) -> bool:
        """Whether a run can go to the Hub."""
        return bool(self.known)

    @property
    def known(self) -> str:
        """The token that was given, or that of the login of this machine where that is theirs; empty without any."""
        return self.value or ("" if self.is_public else own_token() or "")

    def for_worker(self) -> str:
        """Return what a worker is given. Raises RunError."""
        if not self.is_known:
            raise RunError(_NOT_GIVEN, _GIVE_ONE if self.is_public else _LOG_IN)
        return self.known


def token_here() -> str:
    """Return the token that this worker was given, and never the login of its machine. Raises RunError without one."""
    # It stays in the environment: cleaning up needs it again, and this worker starts no other process.
    found = os.environ.get(HUB_TOKEN, "")
    if not found:
        raise RunError(_NOT_GIVEN, _GIVE_ONE)
    return found
