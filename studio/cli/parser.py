"""The commands of `app.py` and their options."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from studio.accounts.people import ROLES
from studio.cli.compare import strengths
from studio.cli.options import (
    EVALUATION_PREFIX,
    add_data_options,
    add_reading_options,
    add_run_options,
    add_try_options,
)
from studio.config import setting_named
from studio.jobs.exports import ADAPTER, GGUF, GGUF_ADAPTER, MERGED, Q8_0, QUANTISATIONS
from studio.jobs.places.book import RAY, Place
from studio.jobs.standard_tasks import QUESTIONS

_RUN = "the name that you gave it, or that of its folder in runs/"


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line; `command` is None where the page is to be served."""
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="Fine-tune a language model and see what changed. Without a command, serves the page.",
    )
    parser.add_argument("--home", metavar="FOLDER", help="where everything is kept (default: ~/.lora-studio)")
    parser.add_argument("--host", help="the address to listen on (default: STUDIO_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="the port to listen on (default: STUDIO_PORT, 7860)")
    parser.add_argument(
        "--open", action="store_true", help="let everybody who can reach the address in, without a password"
    )
    parser.add_argument(
        "--api", action="store_true", help="answer other programs that have the key also where others can reach it"
    )
    parser.add_argument("--no-starter", action="store_true", help="do not fetch the starter model when the page starts")
    verbose = "write all that the studio logs to standard error, errors that it went on after with their traces"
    parser.add_argument("--verbose", action="store_true", help=verbose)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (help, add_options) in _COMMANDS.items():
        command = commands.add_parser(name, help=help)
        add_options(command)
        command.add_argument("--verbose", action="store_true", default=argparse.SUPPRESS, help=verbose)
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    """The demo has no options."""


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", required=True, nargs="+", type=Path, metavar="FILE", help="the examples")
    parser.add_argument(
        "--eval-data", type=Path, metavar="FILE", help="examples to score on, instead of a held-out share of the data"
    )
    add_data_options(parser)
    add_reading_options(parser, prefix=EVALUATION_PREFIX, of=" of --eval-data")
    add_run_options(parser)
    add_try_options(parser)


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--group",
        nargs="?",
        const="",
        metavar="NAME",
        help="only the runs that were started together under this name, beside each other; without a name, which "
        "groups there are",
    )


def _add_resume(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument("--place", metavar="NAME", help="let it go on at this place, or with '' on this machine")
    nodes = "on how many nodes of a Ray cluster (default: as before, or one at another place)"
    parser.add_argument("--nodes", type=_count_of("nodes"), metavar="NUMBER", help=nodes)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument("--data", type=Path, metavar="FILE", help="examples to score on, not the held-out ones")
    add_reading_options(parser, of=" of --data")
    parser.add_argument(
        "--rows",
        type=_count_of("rows"),
        default=0,
        metavar="NUMBER",
        help="at most so many rows (default: all, or as many as take five minutes)",
    )
    parser.add_argument(
        "--longest",
        type=_count_of("tokens"),
        default=0,
        metavar="TOKENS",
        help="the longest answer (default: twice as long as the expected one and 16 more, at most 256)",
    )
    parser.add_argument(
        "--no-probes", dest="probes", action="store_false", help="do not ask what was forgotten of general knowledge"
    )
    parser.add_argument(
        "--tasks",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAMES",
        help="standard tasks besides, by lm-evaluation-harness: hellaswag,arc_easy (needs requirements-tasks.txt)",
    )
    parser.add_argument(
        "--questions",
        type=_count_of("questions"),
        default=QUESTIONS,
        metavar="NUMBER",
        help=f"at most so many questions of each standard task (default: {QUESTIONS})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument(
        "--prompts",
        required=True,
        type=Path,
        metavar="FILE",
        help="a text with one prompt a line, or a CSV or JSON Lines file with a column 'prompt'",
    )
    parser.add_argument(
        "--strength",
        type=strengths,
        action="extend",
        metavar="S[,S...]",
        help="how strongly the adapter speaks, 0 to 1.5; several make a column each (default: 1, as it was trained)",
    )
    parser.add_argument("--system", default="", metavar="TEXT", help="a system prompt for all of them")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 always takes the likeliest word (default: 0)")
    parser.add_argument("--longest", type=int, default=160, metavar="TOKENS", help="the longest answer (default: 160)")
    parser.add_argument("--seed", type=int, default=42, help="the seed of the sampling (default: 42)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_kind(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Add which run is meant, and which kind of export of it."""
    parser.add_argument("run", metavar="RUN", help=_RUN)
    parser.add_argument(
        "--as",
        dest="kind",
        choices=(ADAPTER, MERGED, GGUF, GGUF_ADAPTER),
        default=default,
        help="adapter: only what was learned; merged: the base with it built in; gguf: that in one file for llama.cpp, "
        "Ollama and LM Studio; gguf-adapter: only what was learned, for llama.cpp beside a GGUF of the base (default: "
        "adapter, if there is one)",
    )
    parser.add_argument(
        "--quantisation",
        choices=QUANTISATIONS,
        default=Q8_0,
        help="how the weights of a GGUF are packed, from the largest and exact to the smallest (default: q8_0)",
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_kind(parser, default="")
    parser.add_argument(
        "--to",
        type=Path,
        metavar="PATH",
        help="copy it to this folder, or as one file to a name that ends in .zip, a GGUF in .gguf (default: it stays "
        "beside the run)",
    )


def _add_publish(parser: argparse.ArgumentParser) -> None:
    _add_kind(parser, default=ADAPTER)
    parser.add_argument(
        "--to",
        required=True,
        metavar="OWNER/NAME",
        help="the repository on the Hugging Face Hub, of whoever is logged in there (hf auth login, or HF_TOKEN)",
    )
    parser.add_argument("--public", action="store_true", help="let everybody see it (default: it is private)")
    parser.add_argument(
        "--licence",
        default="",
        metavar="ID",
        help="the licence of the base as the Hub names it, where nothing tells it, such as apache-2.0",
    )
    parser.add_argument("--yes", action="store_true", help="publish without asking, once the model card was printed")


def _add_space(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="OWNER/NAME", help="the Space, of whoever is logged in on the Hub (hf auth login)"
    )
    parser.add_argument(
        "--private", action="store_true", help="let only you see it (default: as it is, a new one public)"
    )
    parser.add_argument(
        "--hardware", default="", metavar="NAME", help="the machine, as the Hub calls it, such as cpu-basic or t4-small"
    )
    parser.add_argument(
        "--mirror",
        default="",
        metavar="OWNER/BUCKET",
        help="keep its data in this private bucket as well; the token for it is in STUDIO_MIRROR_TOKEN",
    )
    parser.add_argument(
        "--sign-in", action="store_true", help="have visitors sign in with Hugging Face, each to what is theirs"
    )
    parser.add_argument("--guests", action="store_true", help="with --sign-in: let visitors look around without")
    parser.add_argument(
        "--delete",
        action="store_true",
        help="delete the files of the Space that this checkout lacks (default: keep them)",
    )
    parser.add_argument("--dry-run", action="store_true", help="list what would be sent and set, and send nothing")


def _add_users(parser: argparse.ArgumentParser) -> None:
    actions = {
        "list": "who there is",
        "add": "make an account, and print the one-time code for its first sign-in",
        "reset": "forget the password of an account, sign it out everywhere, and print a new code",
        "remove": "end what an account has at work, and put it with all that it made into the bin",
    }
    adding = _add_actions(parser, actions, name="the name that its person signs in with")
    adding.add_argument("--role", choices=ROLES, help="what it may do (default: member; the first one is the owner)")


def _add_places(parser: argparse.ArgumentParser) -> None:
    actions = {
        "list": "which places there are, and what the last check of each found",
        "add": "add a place, and check it",
        "check": "look again what a place is, and whether runs can train there",
        "remove": "forget a place; its runs stay, and those at work there go on",
    }
    _add_place_options(_add_actions(parser, actions, name="how the place is called, such as lab-cluster"))


def _add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, str], *, name: str) -> argparse.ArgumentParser:
    """Add what can be done, each but `list` with the name of one; return the parser of `add`."""
    group = parser.add_subparsers(dest="action", metavar="|".join(actions))
    made = {action: group.add_parser(action, help=help) for action, help in actions.items()}
    for action in actions.keys() - {"list"}:
        made[action].add_argument("name", metavar="NAME", help=name)
    return made["add"]


def _add_place_options(parser: argparse.ArgumentParser) -> None:
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--ray", metavar="ADDRESS", help="a Ray cluster, by the address of its dashboard")
    kind.add_argument("--slurm", action="store_true", help="the Slurm cluster that this machine submits jobs to")
    kind.add_argument(
        "--hub",
        metavar="HARDWARE",
        help="Hugging Face Jobs on this hardware, such as t4-small, paid for by whose login or HF_TOKEN this is",
    )
    usual = Place("usual", RAY)
    for flag, value, metavar, help in (
        ("--folder", "", "FOLDER", "a folder that the place and this machine share under the same path"),
        ("--files-address", "", "ADDRESS", "where a Ray cluster without such a folder is reached for files, from here"),
        ("--python", usual.python, "COMMAND", "the Python there that has the studio's requirements"),
        ("--scratch", "", "FOLDER", "the folder there in which runs work"),
        ("--partition", "", "NAME", "the partition of Slurm"),
        ("--namespace", "", "NAME", "whose jobs these are on the Hugging Face Hub, where not of whoever trains"),
        ("--image", usual.image, "IMAGE", "the Docker image of jobs there"),
    ):
        default = f" (default: {value})" if value else ""
        parser.add_argument(flag, default=value, metavar=metavar, help=help + default)
    parser.add_argument("--files-port", type=_port, default=0, help="the port of the files there, where it is another")
    for flag, number, help in (
        ("--cpus", usual.cpus, "cores for each run"),
        ("--gpus", usual.gpus, "GPUs for each run"),
        ("--memory", usual.memory_gib, "GB of memory for each run, 0 where the place decides"),
        (
            "--hours",
            usual.hours,
            "how long Slurm lets one job work; a run goes on in the next one, and on the Hub stops",
        ),
        ("--cap", usual.cap_usd, "what a run may cost on the Hub at most, in US dollars; nothing starts there without"),
    ):
        parser.add_argument(flag, type=float, default=number, metavar="NUMBER", help=f"{help} (default: {number:g})")
    parser.add_argument("--runs-at-once", type=_count_of("runs"), default=1, help="how many runs train there at once")
    parser.add_argument(
        "--send-models", action="store_true", help="send base models of the Hub from here: the place cannot download"
    )


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, nargs="+", metavar="FILE")
    add_data_options(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--model", default="starter", help="count tokens as this model does, if it is here (default: starter)"
    )
    parser.add_argument(
        "--max-length", type=int, default=setting_named("max_length").default, help="the longest example, in tokens"
    )


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "demo": ("the whole path on a bundled sample: train, compare, export, check", _add_demo),
    "train": ("train an adapter on a file of examples", _add_train),
    "runs": ("the newest runs, and those that were started together", _add_runs),
    "resume": ("resume a run that ended before it was done", _add_resume),
    "evaluate": ("score a run beside its base, and what it forgot", _add_evaluate),
    "compare": ("ask a run and its base model the same prompts", _add_compare),
    "export": ("write the adapter or the merged model of a run, and check it", _add_export),
    "publish": ("put an export of a run on the Hugging Face Hub, with a model card", _add_publish),
    "space": ("make a Space of this checkout on the Hugging Face Hub, or bring one up to date", _add_space),
    "users": ("the accounts of a studio that several people share: list, add, reset, remove", _add_users),
    "places": ("where runs train beside this machine: list, add, check, remove", _add_places),
    "inspect": ("what the Data tab knows of a file", _add_inspect),
}


def _count_of(noun: str) -> Callable[[str], int]:
    """Return what reads a number from 1 on."""

    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"'{text}' is not a number of {noun} from 1 on")
        return int(text)

    return count


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port number from 1 to 65535")
    return int(text)
