"""Names for runs: a memorable one for a run that was given none, and any name as part of a folder's name."""

import random
import re
import unicodedata
from collections.abc import Collection

_MANNERS = (
    "amber ancient bold brave breezy bright brisk calm candid cheery clever copper cosy curious dapper deft eager "
    "early fabled fleet frosty gentle golden handy hardy hazel honest humble jolly keen kind lively lucky mellow "
    "merry mossy neat nimble patient plucky polite proud quick quiet rosy ruddy sage silver sleek snowy spry "
    "steady sunny swift tidy tranquil velvet warm willing wise witty zesty"
).split()
_BEASTS = (
    "badger beaver bison bittern cricket curlew dolphin dormouse dunlin egret falcon ferret finch fox gannet "
    "gecko hare hedgehog heron ibex jackdaw kestrel kingfisher lapwing lark lemur linnet lynx magpie marmot "
    "marten mole moth newt nightjar otter owl oyster panda pelican petrel pike plover puffin quail raven robin "
    "salmon seal shrew skylark sparrow stoat stork swallow swan tapir teal tern toad trout turtle vole walrus "
    "weasel wren yak"
).split()
_LONGEST_SLUG = 40
_TRIES = 20


def memorable_name(rng: random.Random, taken: Collection[str] = ()) -> str:
    """Make up a name such as "brisk-otter", if it can one that is not among `taken`."""
    for _ in range(_TRIES):
        name = f"{rng.choice(_MANNERS)}-{rng.choice(_BEASTS)}"
        if name not in taken:
            break
    return name


def slug(name: str) -> str:
    """Turn a name into lower-case letters a-z, digits and single hyphens, at most 40; "run" when nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-") or "run"
