import re

from hypothesis import given
from hypothesis import strategies as st

from studio.data.chunks import MOST_CHARACTERS, chunk_text, chunks

WORDS = "Every sentence here has the same words. "


def test_short_text_is_one_piece_as_it_stands() -> None:
    assert chunks("  two\n\nparagraphs ") == ("  two\n\nparagraphs ",)
    assert chunks(" \n ") == ()


def test_whole_paragraphs_are_packed_together() -> None:
    paragraphs = [f"Paragraph {number}. " + "x" * 600 for number in range(5)]
    pieces = list(chunk_text("\n\n\n".join(paragraphs) + "\n"))
    assert [text for _, text, _ in pieces] == [
        "\n\n".join(paragraphs[:2]),
        "\n\n".join(paragraphs[2:4]),
        paragraphs[4],
    ]
    assert [line for line, _, _ in pieces] == [1, 7, 13]
    assert [continues for _, _, continues in pieces] == [True, True, False]


def test_a_heading_begins_a_piece() -> None:
    text = "Before.\n# One\nText.\n\nMore.\n## Two\n\nText.\n```\n# no heading\n\ncode\n```\n#not one\n"
    assert [(line, piece) for line, piece, _ in chunk_text(text)] == [
        (1, "Before."),
        (2, "# One\nText.\n\nMore."),
        (6, "## Two\n\nText.\n```\n# no heading\n\ncode\n```\n#not one"),
    ]


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    pieces = [text for _, text, _ in chunk_text(WORDS * 100)]
    assert all(text.endswith("words.") and 1000 < len(text) <= MOST_CHARACTERS for text in pieces[:-1])
    assert " ".join(pieces) == (WORDS * 100).strip()


def test_a_long_sentence_is_cut_between_words_and_a_long_word_anywhere() -> None:
    pieces = chunks("word " * 1000)
    assert all(set(piece.split()) == {"word"} for piece in pieces)
    assert [len(piece) for piece in chunks("x" * 3100)] == [1500, 1500, 100]
    assert chunks("。".join(["字" * 900] * 3))[0] == "字" * 900 + "。"


def test_a_line_may_come_in_parts() -> None:
    whole = WORDS * 500 + "\nnext line\n"
    parts = [whole[start : start + 997] for start in range(0, len(WORDS) * 500, 997)]
    parts[-1] = parts[-1].split("\n")[0]
    parts += ["\n", "next line\n"]
    assert "".join(parts) == whole
    assert list(chunk_text(parts)) == list(chunk_text(whole))
    assert list(chunk_text(parts))[-1][0] in (1, 2)


@given(st.text(alphabet=" ab.\n#`é", max_size=200).map(lambda text: text * 40))
def test_nothing_is_lost_and_no_piece_is_too_long(text: str) -> None:
    pieces = list(chunk_text(text))
    assert re.sub(r"\s", "", "".join(piece for _, piece, _ in pieces)) == re.sub(r"\s", "", text)
    assert all(0 < len(piece) <= MOST_CHARACTERS and piece.strip() for _, piece, _ in pieces)
    assert [continues for _, _, continues in pieces] == [True] * (len(pieces) - 1) + [False] * bool(pieces)
    lines = text.split("\n")
    assert all(piece.strip()[0] in lines[line - 1] for line, piece, _ in pieces)
