"""`python -m tests.faults.worker ...` is `python -m studio.workers ...` that saves often and meets a fault."""

import os
import runpy
import sys

from tests.faults import hook

SAVE_SECONDS = 0.25


def save_often() -> None:
    """Have this process save at every check that scores best, and every quarter of a second, whatever that costs.

    To be called before `studio.ml.training` is imported.
    """
    from studio.ml import pacing

    pacing.SAVE_SHARE = 1e9
    defaults = pacing.SavePace.__init__.__kwdefaults__
    defaults.update(seconds=SAVE_SECONDS, share=pacing.SAVE_SHARE)


if __name__ == "__main__":
    save_often()
    hook.install(os.environ.get(hook.VARIABLE, ""))
    sys.argv[0] = "studio.workers"
    runpy.run_module("studio.workers", run_name="__main__")
