from pathlib import Path

import pytest

from studio.config import STARTER
from studio.models.catalog import KNOWN_MODELS
from studio.models.front_matter import ADAPTER_OF, Facts, Score, front_matter, read_front_matter
from studio.models.licences import Licence, known_licence, licence_of_card, named


def test_the_licences_of_the_catalog_are_in_the_table() -> None:
    for each in KNOWN_MODELS:
        found = known_licence(each.id, None)
        assert found is not None
        assert found.is_known
        assert not found.forbids
        assert found.rule
    assert known_licence(STARTER, Path("/anywhere")) == Licence("apache-2.0")


@pytest.mark.parametrize(
    ("id", "known", "forbids"),
    [("mit", True, False), ("cc-by-nc-4.0", True, False), ("cc-by-nd-4.0", True, True), ("other", False, False)],
)
def test_the_table_tells_what_may_be_handed_on(id: str, known: bool, forbids: bool) -> None:
    assert (Licence(id).is_known, Licence(id).forbids) == (known, forbids)


def test_a_card_beside_the_weights_tells_the_licence(tmp_path: Path) -> None:
    card = (
        "---\nlicense: other\nlicense_name: soup-1\nlicense_link: https://x.org/soup\ntags:\n- a\n---\nlicense: mit\n"
    )
    (tmp_path / "README.md").write_text(card, encoding="utf-8")
    assert known_licence(str(tmp_path), tmp_path) == Licence("other", "soup-1", "https://x.org/soup")
    assert licence_of_card("# no front matter\nlicense: mit\n---\n") is None
    assert licence_of_card("---\nlicense: 'MIT'\n---\n") == Licence("mit")
    assert licence_of_card("---\nlicense_link: javascript:x\nlicense: other\n---\n") == Licence("other")
    assert licence_of_card("---\nlicense: [a, b]\n---\n") is None
    (tmp_path / "README.md").unlink()
    assert known_licence(str(tmp_path), tmp_path) is None


def test_a_name_is_no_text() -> None:
    assert named(" Apache-2.0 ") == Licence("apache-2.0")
    assert named("a b") is None
    assert named("x" * 90) is None


def test_the_hub_reads_the_front_matter() -> None:
    scores = (
        Score("accuracy", "Accuracy", 0.91234, "held-out", 20),
        Score("loss", "Loss", 1.2, "held-out", 20),
    )
    facts = Facts(
        name='otter: "1"',
        licence=Licence("other", "soup-1", "https://x.org/soup"),
        relation=ADAPTER_OF,
        library="peft",
        base="me/base",
        datasets=("me/data",),
        tags=("lora",),
        scores=scores,
    )
    found = read_front_matter(front_matter(facts) + "# x\n")
    assert found["base_model"] == "me/base"
    assert found["base_model_relation"] == "adapter"
    assert found["license"] == "other"
    assert found["license_name"] == "soup-1"
    assert found["license_link"] == "https://x.org/soup"
    assert found["datasets"] == ["me/data"]
    assert found["library_name"] == "peft"
    assert found["pipeline_tag"] == "text-generation"
    assert found["tags"] == ["lora"]
    (index,) = found["model-index"]  # type: ignore[misc]
    assert index["name"] == 'otter: "1"'
    (result,) = index["results"]
    assert [each["value"] for each in result["metrics"]] == [0.9123, 1.2]
    plain = read_front_matter(front_matter(Facts(name="x", licence=Licence("mit"), relation=ADAPTER_OF)))
    assert not {"base_model", "base_model_relation", "datasets", "library_name", "model-index"} & plain.keys()
