"""Conversations for the training benchmark: two kinds of ordinary English, the same at every run.

"long" has letters with several questions and their answers; "short" has notes with one question and an answer of a few
words. Both draw on the bundled samples and on templates. What is held out draws on rows of the samples that the
training never sees.
"""

import csv
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.task import Chat

SETS = ("long", "short")
HELD_OUT_EVERY = 4
"""Each fourth row of a sample serves the held-out conversations alone."""

NAMES = "Imani Agnes Tomas Wren Odile Callum Priya Marten Saoirse Hollis Beatrix Yusuf Ingrid Pavel Mabel Rufus".split()
SHIPS = "Linnet,Grey Heron,Patience,Northern Star,Marigold,Old Thomas,Swift,Curlew,Good Intent,Silver Spray".split(",")
CARGO = (
    "crates of herring,sacks of flour,barrels of tar,coils of rope,bales of wool,cases of lamp oil,tons of coal,"
    "boxes of oranges,planks of oak,churns of milk"
).split(",")
WINDS = "a light breeze from the west,a stiff northerly,hardly any wind,a gale from the south-east,steady rain".split(
    ","
)
HARBOURS = "Kettlewick,Port Alder,St Bride,Fennel Quay,Sandhaven,Rook Point,Tern Bay".split(",")
TROUBLES = (
    "a torn sail,a leak in the bow,a broken rudder chain,two sick hands,no trouble at all,a cracked compass glass,"
    "a fouled anchor,a lost dinghy"
).split(",")
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


@dataclass(frozen=True)
class Pools:
    """Pairs of a text and its answer, from the bundled samples."""

    keeper: list[tuple[str, str]]
    support: list[tuple[str, str]]
    orders: list[tuple[str, str]]


@dataclass(frozen=True)
class Call:
    """One ship's call at a harbour, as a note tells it."""

    ship: str
    captain: str
    harbour: str
    day: str
    hour: str
    cargo: str
    wind: str
    trouble: str
    fee: int

    @property
    def note(self) -> str:
        return (
            f"On {self.day} at {self.hour} the {self.ship} came into {self.harbour} under captain {self.captain}, in "
            f"{self.wind}. She landed {self.cargo} and reported {self.trouble}. The harbour fee was {self.fee} crowns."
        )

    @property
    def entry(self) -> str:
        return (
            f"{self.ship}: {self.day}, {self.hour}, {self.harbour}. Master {self.captain}. Landed {self.cargo}. "
            f"Weather: {self.wind}. Trouble: {self.trouble}. Paid {self.fee} crowns."
        )


def read_pools(samples: Path, *, held_out: bool) -> Pools:
    """Read the bundled samples: the rows that are held out, or all others."""

    def share(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return [pair for index, pair in enumerate(pairs) if (index % HELD_OUT_EVERY == 0) == held_out]

    lines = (samples / "lighthouse_voice.jsonl").read_text(encoding="utf-8").splitlines()
    chats = [json.loads(line)["messages"][:2] for line in lines]
    with (samples / "kettlewick_support.csv").open(encoding="utf-8", newline="") as file:
        support = [(row["question"], row["answer"]) for row in csv.DictReader(file)]
    slips = json.loads((samples / "order_slips.json").read_text(encoding="utf-8"))
    return Pools(
        keeper=share([(question["content"], answer["content"]) for question, answer in chats]),
        support=share(support),
        orders=share([(slip["input"], slip["output"]) for slip in slips]),
    )


def conversations(kind: str, pools: Pools, *, held_out: bool) -> Iterator[Chat]:
    """Yield conversations of one kind without end, no two with the same prompt."""
    draw = random.Random(f"{kind} {'held out' if held_out else 'learned'}")
    makers = LONG if kind == "long" else SHORT
    seen: set[str] = set()
    while True:
        prompt, answer = draw.choice(makers)(pools, draw)
        if prompt not in seen:
            seen.add(prompt)
            yield [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def letter_to_keeper(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Ask the lighthouse keeper several things in one letter."""
    pairs = draw.sample(pools.keeper, draw.randint(1, 8))
    opening = f"Dear keeper, this is {draw.choice(NAMES)} from {draw.choice(HARBOURS)}. "
    return opening + _numbered([question for question, _ in pairs]), _numbered([answer for _, answer in pairs])


def letter_to_support(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Ask the kettle's makers several things in one letter."""
    pairs = draw.sample(pools.support, draw.randint(1, 12))
    opening = f"Hello, {draw.choice(NAMES)} here, I have had a K2 since {draw.choice(DAYS)}. "
    return opening + _numbered([question for question, _ in pairs]), _numbered([answer for _, answer in pairs])


def bundle_of_orders(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Turn several messages into order slips."""
    pairs = draw.sample(pools.orders, draw.randint(1, 7))
    opening = "Turn each customer's message into an order slip. "
    return opening + _numbered([message for message, _ in pairs]), "\n\n".join(slip for _, slip in pairs)


def harbour_book(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Enter several notes in the harbour's book."""
    calls = [_call(draw) for _ in range(draw.randint(1, 5))]
    opening = "Enter these notes in the harbour book. "
    return opening + " ".join(call.note for call in calls), "\n".join(call.entry for call in calls)


def question_on_note(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Ask for one fact of one or two notes."""
    call, other = _call(draw), _call(draw)
    notes = [call.note] if other.ship == call.ship or draw.random() < 0.5 else [call.note, other.note]
    draw.shuffle(notes)
    question, answer = draw.choice(
        (
            ("Who was the captain of the", f"Captain {call.captain}."),
            ("What was landed by the", f"{call.cargo}."),
            ("In which harbour and on which day was the", f"{call.harbour}, {call.day}."),
            ("What was the fee of the", f"{call.fee} crowns."),
            ("What trouble was on the", f"{call.trouble.capitalize()}."),
        )
    )
    return f"{' '.join(notes)} {question} {call.ship}?", answer


def line_of_slip(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Ask for one line of an order slip."""
    message, slip = draw.choice(pools.orders)
    line = draw.choice([line for line in slip.splitlines() if len(line) < 60])
    return f"A customer of {draw.choice(HARBOURS)} writes: {message} Give only the {line.partition(':')[0]}.", line


def whose_question(pools: Pools, draw: random.Random) -> tuple[str, str]:
    """Ask whose a question is."""
    about_kettle = draw.random() < 0.5
    question, _ = draw.choice(pools.support if about_kettle else pools.keeper)
    answer = "The kettle makers at Kettlewick." if about_kettle else "The keeper of the lighthouse."
    return f"{draw.choice(NAMES)} asks: {question} Who answers this, keeper or kettle makers?", answer


Maker = Callable[[Pools, random.Random], tuple[str, str]]
LONG: tuple[Maker, ...] = (letter_to_keeper, letter_to_support, bundle_of_orders, harbour_book)
SHORT: tuple[Maker, ...] = (question_on_note, line_of_slip, whose_question)


def _call(draw: random.Random) -> Call:
    return Call(
        ship=draw.choice(SHIPS),
        captain=f"{draw.choice(NAMES)} {draw.choice('Cole Hart Penrose Lund Abara Finch Reyes Moss'.split())}",
        harbour=draw.choice(HARBOURS),
        day=draw.choice(DAYS),
        hour=f"{draw.randint(4, 21)}:{draw.choice(('05', '20', '40', '55'))}",
        cargo=f"{draw.randint(3, 90)} {draw.choice(CARGO)}",
        wind=draw.choice(WINDS),
        trouble=draw.choice(TROUBLES),
        fee=draw.randint(2, 60),
    )


def _numbered(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
