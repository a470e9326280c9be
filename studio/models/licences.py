"""What the licence of a base model allows for a model that was made from it, by the ids that the Hugging Face Hub has.

A table of what these licences say of derivatives and of handing them on. It is no legal advice, and knows no licence
that the Hub lists as "other".
"""

import re
from dataclasses import dataclass
from pathlib import Path

from studio.config import STARTER
from studio.models.catalog import KNOWN_MODELS

_FREE = (
    *("apache-2.0", "mit", "bsd", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "isc", "zlib", "unlicense"),
    *("wtfpl", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "odc-by", "pddl", "cdla-permissive-1.0"),
    *(
        "cdla-permissive-2.0",
        "afl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "ecl-2.0",
        "ms-pl",
        "ncsa",
        "postgresql",
        "lppl-1.3c",
    ),
)
_SAME_LICENCE = (
    *("gpl", "gpl-2.0", "gpl-3.0", "agpl-3.0", "lgpl", "lgpl-2.1", "lgpl-3.0", "lgpl-lr", "mpl-2.0", "epl-1.0"),
    *("epl-2.0", "eupl-1.1", "eupl-1.2", "osl-3.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "odbl", "cdla-sharing-1.0", "gfdl"),
)
_NOT_COMMERCIAL = (
    *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    *("fair-noncommercial-research-license", "intel-research"),
)
_OWN_TERMS = (
    *("openrail", "openrail++", "creativeml-openrail-m", "bigscience-openrail-m", "bigscience-bloom-rail-1.0"),
    *("bigcode-openrail-m", "gemma", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "etalab-2.0"),
    *("apple-ascl", "apple-amlr", "c-uda", "deepfloyd-if-license", "h-research", "open-mdw", "grok2-community"),
)
_NO_DERIVATIVES = (*("cc-by-nd-3.0", "cc-by-nd-4.0", "cc-by-nc-nd-2.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),)

_RULES: dict[str, str] = {
    **dict.fromkeys(_FREE, "It allows derived models to be handed on, with its text and the names of its authors."),
    **dict.fromkeys(_SAME_LICENCE, "It allows derived models to be handed on under the same licence."),
    **dict.fromkeys(_NOT_COMMERCIAL, "It allows derived models to be handed on, and no commercial use of them."),
    **dict.fromkeys(_OWN_TERMS, "It has terms of its own for use, which go on to everybody who gets a derived model."),
}

_LLAMA = re.compile(r"llama(3|3\.1|3\.2|3\.3|4)")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,79}")
_MOST_CARD_BYTES = 200_000

_OF_KNOWN = {"Apache-2.0": "apache-2.0", "MIT": "mit", "Gemma": "gemma", "Llama 3.2 Community": "llama3.2"}
"""The licences of the catalog, as the Hub names them."""

OTHER = "other"
"""What the Hub calls a licence that it has no id for: the card names it, and links to it."""


@dataclass(frozen=True)
class Licence:
    """A licence by its id on the Hub. One that is "other" has a `name` and perhaps a `link` of its own."""

    id: str
    name: str = ""
    link: str = ""

    @property
    def forbids(self) -> bool:
        """Whether it is known to forbid that what was made from the model is handed on."""
        return self.id in _NO_DERIVATIVES

    @property
    def is_known(self) -> bool:
        """Whether the table says what it allows."""
        return self.id in _RULES or self.forbids

    @property
    def rule(self) -> str:
        """What it says of derived models, in a sentence; empty where that is not known."""
        return _RULES.get(self.id, "")

    @property
    def wants_its_name(self) -> bool:
        """Whether the name of a derived model has to begin with "Llama", and its page to say what it was built with."""
        return _LLAMA.fullmatch(self.id) is not None

    @property
    def shown(self) -> str:
        """What it is called in a sentence."""
        return self.name or self.id


def named(text: str) -> Licence | None:
    """Return the licence that a person named; None for what cannot be the id of one."""
    found = text.strip().lower()
    return Licence(found) if _ID.fullmatch(found) else None


def known_licence(model: str, folder: Path | None) -> Licence | None:
    """Return the licence of a base without asking the Hub: by the catalog, or by the card beside its weights."""
    for each in KNOWN_MODELS:
        if model == each.id and (model == STARTER or folder is None or not Path(model).is_dir()):
            return Licence(_OF_KNOWN[each.licence])
    return None if folder is None else licence_of_card(_read(folder / "README.md"))


def licence_of_card(text: str) -> Licence | None:
    """Read the licence that the front matter of a card names; None where it names none."""
    parts = text.lstrip("\ufeff").split("\n---", 1)
    if not text.lstrip("\ufeff").startswith("---") or len(parts) != 2:
        return None
    found = {
        key: value.strip().strip("'\"")[:200]
        for key, _, value in (line.partition(":") for line in parts[0].splitlines())
        if key in ("license", "license_name", "license_link")
    }
    licence = named(found.get("license", ""))
    if licence is None:
        return None
    return Licence(licence.id, found.get("license_name", ""), _link(found.get("license_link", "")))


def _link(text: str) -> str:
    return text if text.startswith("https://") and not re.search(r"\s", text) else ""


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_CARD_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
