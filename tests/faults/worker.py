"""`python -m tests.faults.worker ...` is `python -m studio.workers ...` that saves often and meets a fault."""

import os
import runpy
import sys

from tests.faults import hook

SAVE_SECONDS = 0.25


def save_often() -> None:
    """Have this process save at every check that scores best, and every quarter of a second, whatever that costs.

    To be called before `studio.ml` is imported.
    """
    from studio.models.forecast import plan

    plan.SAVE_SHARE = 1e9
    from studio.ml.pacing import SavePace

    SavePace.__init__.__kwdefaults__.update(seconds=SAVE_SECONDS)


if __name__ == "__main__":
    save_often()
    hook.install(os.environ.get(hook.VARIABLE, ""))
    sys.argv[0] = "studio.workers"
    runpy.run_module("studio.workers", run_name="__main__")
