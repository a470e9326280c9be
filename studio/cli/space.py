"""`python app.py space`: makes a Space of this checkout on the Hugging Face Hub, or brings one up to date."""

from collections.abc import Mapping
from dataclasses import dataclass

from huggingface_hub.utils.tqdm import disable_progress_bars
from rich.console import Console

from studio.errors import ExportError
from studio.mirror.bucket import check_bucket
from studio.models.publishing import own_token
from studio.models.spaces import ACCOUNTS, GUESTS, OPEN, PASSWORD, SpaceOrder, make_space, space_files
from studio.runs.launcher import PROJECT_ROOT
from studio.settings import SHORTEST_PASSWORD
from studio.wording import counted, size

_MOST_NAMED = 8
MIRROR, MIRROR_TOKEN = "STUDIO_MIRROR", "STUDIO_MIRROR_TOKEN"


@dataclass(frozen=True)
class SpaceOptions:
    """What a person says of the Space; `open` lets everybody in, `mirror` is the bucket that it keeps its data in, and
    with `delete` it loses the files that this checkout lacks. With `sign_in` each visitor signs in with the Hub to what
    is theirs, and with `guests` they may look around without.
    """

    name: str
    private: bool = False
    hardware: str = ""
    mirror: str = ""
    open: bool = False
    delete: bool = False
    sign_in: bool = False
    guests: bool = False
    dry_run: bool = False


def space(
    options: SpaceOptions, environment: Mapping[str, str], *, console: Console, endpoint: str | None = None
) -> int:
    """Make the Space and print its address, or with `dry_run` what would be sent.

    Raises ExportError and MirrorError.
    """
    order = space_order(options, environment)
    files = space_files(PROJECT_ROOT)
    if options.dry_run:
        for name, path in sorted(files.items()):
            console.print(f"{size(path.stat().st_size):>10}  {name}", markup=False, soft_wrap=True)
        total = size(sum(path.stat().st_size for path in files.values()))
        console.print(
            f"{counted(len(files), 'file')}, {total}, to the Space {order.name}", markup=False, soft_wrap=True
        )
        for name, value in sorted(order.variables.items()):
            console.print(f"variable {name}={value}", markup=False, soft_wrap=True)
        for name in sorted(order.secrets):
            console.print(f"secret {name}", markup=False)
        console.print("Nothing was sent.", markup=False)
        return 0
    disable_progress_bars()
    made = make_space(
        files,
        order,
        token=own_token(),
        tell=lambda said: console.print(said, markup=False, soft_wrap=True),
        endpoint=endpoint,
    )
    what = "made" if made.is_new else "up to date"
    changed = f"{counted(len(made.sent), 'file')} sent, {len(made.deleted):,} deleted"
    console.print(f"The Space is {what}: {changed}.", markup=False, soft_wrap=True)
    if made.beside:
        names = ", ".join(made.beside[:_MOST_NAMED]) + (", ..." if len(made.beside) > _MOST_NAMED else "")
        console.print(
            f"The Space has {counted(len(made.beside), 'file')} that this checkout lacks: {names}. They were kept; say "
            "--delete to delete them.",
            markup=False,
            soft_wrap=True,
        )
    console.print(made.address, markup=False, soft_wrap=True)
    return 0


def space_order(options: SpaceOptions, environment: Mapping[str, str]) -> SpaceOrder:
    """Put together what is set in the Space. Secrets come from the environment: no list of processes shows them.

    Raises ExportError and MirrorError for what cannot be set.
    """
    variables: dict[str, str] = {}
    secrets: dict[str, str] = {}
    password = environment.get(PASSWORD, "")
    if password:
        if len(password) < SHORTEST_PASSWORD:
            raise ExportError(
                f"The password in {PASSWORD} has {len(password)} characters, which is easy to guess.",
                f"Give one of at least {SHORTEST_PASSWORD} characters.",
            )
        secrets[PASSWORD] = password
    if options.sign_in and (password or options.open):
        raise ExportError(
            f"With --sign-in each visitor has an account, so {PASSWORD} or --open says the opposite.", "Leave one out."
        )
    if options.guests and not options.sign_in:
        raise ExportError("--guests is for a Space with --sign-in.", "Say both, or leave --guests out.")
    if options.sign_in:
        variables[ACCOUNTS] = "1"
    if options.guests:
        variables[GUESTS] = "1"
    if options.open:
        variables[OPEN] = "1"
    if options.mirror:
        check_bucket(options.mirror)
        token = environment.get(MIRROR_TOKEN, "").strip()
        if not token:
            raise ExportError(
                f"The Space needs an access token of its own to keep its data in the bucket '{options.mirror}'.",
                f"Make one that may write to your repositories and buckets on https://huggingface.co/settings/tokens, "
                f"and set {MIRROR_TOKEN} to it before the command. It becomes the secret HF_TOKEN of the Space.",
            )
        variables[MIRROR] = options.mirror
        secrets["HF_TOKEN"] = token
    return SpaceOrder(options.name, options.private, options.hardware, variables, secrets, options.delete)
