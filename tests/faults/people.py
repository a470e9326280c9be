"""`python -m tests.faults.people HOME VERB ID` does one thing with an account, and meets the fault that it is given."""

import os
import sys
from pathlib import Path

from studio.accounts.people import FOR_GOOD, People
from studio.accounts.removing import remove_account
from studio.accounts.sessions import Sessions
from studio.errors import StudioError
from tests.faults import hook

PASSWORD = "four words of fog"


def main(home: Path, verb: str, id: str) -> int:
    """Return 0 when it is done, 2 when it was refused with a sentence."""
    people = People(home)
    sessions = Sessions(home, people)
    verbs = {
        "add": lambda: people.add("ben"),
        "from hub": lambda: people.from_hub("62f0a1b2c3d4e5f607182930", "ben"),
        "visit": lambda: people.add_visitor(most=5),
        "reset": lambda: people.reset(id),
        "password": lambda: people.choose_password(id, PASSWORD),
        "sign in": lambda: sessions.begin(people.get("anna")),
        "remove": lambda: remove_account(people, people.get("anna")),
        "leave": lambda: remove_account(people, people.get("anna"), how=FOR_GOOD),
        "restore": lambda: people.restore(id),
        "delete": lambda: people.delete(id),
    }
    hook.install(os.environ.get(hook.VARIABLE, ""))
    try:
        verbs[verb]()
    except StudioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
