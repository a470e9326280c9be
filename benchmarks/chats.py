"""Conversations for the benchmarks: of mixed length, and the same at every run."""

import json
import random
from pathlib import Path

WORDS = (
    "the of a to and in is it you that he was for on are with as his they be at one have this from or had by not but "
    "some what there we can out other were all your when up use word how said each she which their time will way "
    "about many then them would write like so these her long make thing see him two has look more day could go come "
    "did my sound no most number who over know water than call first people may down side been now find any new work "
    "part take get place made live where after back little only round man year came show every good me give our under "
    "name very through just form much great think say help low line before turn cause same mean differ move right boy "
    "old too does tell sentence set three want air well also play small end put home read hand port large spell add "
    "kettle lamp harbour button storm keeper receipt invoice naïve café 42 1998 3.5 https://example.org don't it's"
).split()


def write_chats(path: Path, rows: int) -> None:
    """Write conversations of mixed length with one to three answers, one a line; the same for the same number."""
    draw = random.Random(rows)

    def text() -> str:
        count = min(400, max(2, round(draw.lognormvariate(3.2, 0.8))))
        return " ".join(draw.choices(WORDS, k=count)).capitalize() + "."

    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            roles = ["system"] * (draw.random() < 0.2) + ["user", "assistant"] * draw.choice((1, 1, 2, 3))
            messages = [{"role": role, "content": text()} for role in roles]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
