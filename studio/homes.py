"""Where what all accounts of one studio share lies, and where each account has its own.

<home>/                        what the first owner made, and what all share: base models, the machine's measurement
<home>/accounts/people/        the accounts, a file each
<home>/accounts/<id>/          what another account made: a data folder as `<home>` is one
<home>/uploads/<id>/           what an account has uploaded, until it is kept or cleaned away

Without accounts there is `<home>` alone. A worker knows a run by its folder, so where it lies says whose it is.
"""

import re
from pathlib import Path

ACCOUNTS = "accounts"
API_KEY = "api-key"
"""The file in a data folder that holds the key with which programs ask."""

PEOPLE = "people"
ACCOUNT_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


def shared_home(home: Path) -> Path:
    """Return the data folder of the studio that an account's folder belongs to; any other is its own."""
    is_account = home.parent.name == ACCOUNTS and ACCOUNT_ID.fullmatch(home.name)
    return home.parent.parent if is_account else home


def account_home(shared: Path, id: str) -> Path:
    """Return the folder of an account that is not the first owner's."""
    return shared / ACCOUNTS / id


def has_accounts(shared: Path) -> bool:
    """Tell whether accounts were ever made in a studio."""
    return (shared / ACCOUNTS / PEOPLE).is_dir()


def all_homes(shared: Path) -> tuple[Path, ...]:
    """List the data folders of all accounts, the first owner's first."""
    folder = shared / ACCOUNTS
    try:
        found = sorted(each for each in folder.iterdir() if ACCOUNT_ID.fullmatch(each.name))
    except OSError:
        return (shared,)
    return (shared, *found)
