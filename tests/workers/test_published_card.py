"""The card that is published: made of the facts of a run, in the form that the Hub reads."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import STARTER
from studio.errors import ExportError
from studio.jobs.evaluation_report import write_evaluation
from studio.jobs.exports import GGUF_ADAPTER, gguf_kind
from studio.jobs.published_card import CardOrder, published_card
from studio.jobs.publishing import make_card
from studio.models.front_matter import read_front_matter
from studio.models.hub import Hub
from studio.models.licences import Licence
from studio.runs.store import RunFolder, RunStore
from tests.publishing_hub import Repository, publishing_hub
from tests.ui.made_up import report
from tests.workers.conftest import examples

MakeRun = Callable[..., RunFolder]
MIT = Licence("mit")
NO_HUB = Hub(endpoint="http://127.0.0.1:9")


def card(run: RunFolder, kind: str = "adapter", licence: Licence = MIT) -> str:
    return published_card(run, CardOrder(kind, "me/soup", licence))


def made(run: RunFolder, to: str = "me/soup", licence: str = "", hub: Hub = NO_HUB) -> str:
    return make_card(run, "adapter", to, licence=licence, home=run.path.parent.parent, hub=hub)


def test_it_has_the_facts_of_the_run_and_no_row_of_the_data(make_run: MakeRun) -> None:
    run = make_run(name="otter", model=STARTER, rank=8)
    text = card(run)
    matter = read_front_matter(text)
    assert matter["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert matter["base_model_relation"] == "adapter"
    assert (matter["license"], matter["library_name"], matter["pipeline_tag"]) == ("mit", "peft", "text-generation")
    assert matter["tags"] == ["lora", "lora-studio"]
    assert "model-index" not in matter, "it was not evaluated"
    for words in (
        "# otter\n",
        "| rank, alpha, dropout | 8, 32, 0.0 |",
        "Colours: 16 examples learned, 4 examples held out, sha256 `" + "0" * 64,
        "The rows are not in this repository.",
        "this run was not evaluated",
        "Nobody has measured what it cost in general ability",
        "more than 256 tokens",
        "16 examples, which are few",
        'folder = "me/soup"  # on the Hugging Face Hub',
        "mit, which is that of the base",
    ):
        assert words in text, words
    for example in examples(20):
        assert example.messages[0].content not in text
        assert example.messages[1].content not in text


def test_scores_stand_with_their_intervals_and_with_what_was_forgotten(make_run: MakeRun) -> None:
    run = make_run(model=STARTER)
    write_evaluation(run, report(run), ())
    text = card(run)
    (index,) = read_front_matter(text)["model-index"]  # type: ignore[misc]
    (result,) = index["results"]
    assert [(each["type"], each["value"]) for each in result["metrics"]][:2] == [("loss", 0.35), ("accuracy", 0.9)]
    assert "| Accuracy | 40 % (" in text
    assert "Right labels: 40 % before, 90 % after" in text
    assert "General knowledge: 41 % before, 40 % after" in text
    assert "95 % interval" in text


@pytest.mark.parametrize(
    ("kind", "words", "relation"),
    [
        ("merged", "# on the Hugging Face Hub", "finetune"),
        (gguf_kind("q8_0"), "llama-server -hf me/soup --jinja", "quantized"),
        (GGUF_ADAPTER, "--lora", "adapter"),
    ],
)
def test_each_kind_says_how_it_is_loaded(make_run: MakeRun, kind: str, words: str, relation: str) -> None:
    text = card(make_run(model=STARTER), kind)
    assert words in text
    assert read_front_matter(text)["base_model_relation"] == relation


def test_a_base_in_a_folder_is_named_without_its_place(make_run: MakeRun, tiny_model: Path) -> None:
    text = card(make_run())
    assert "base_model" not in read_front_matter(text)
    assert str(tiny_model.parent) not in text
    assert "The base is a model in a folder of the machine that trained this" in text
    brought = card(make_run(model="folder:soup"))
    assert "base_model" not in read_front_matter(brought)
    assert "| base model | soup |" in brought


def test_names_cannot_write_into_the_card(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(name="a\n---\nlicense: <b>|x|")
    store = RunStore(tmp_path / "other")
    evil = store.create(
        run.config,
        dataset_id="x",
        dataset_name="me/data (train)",
        dataset_sha256="1" * 64,
        train=examples(3),
        validation=(),
    )
    text = card(evil)
    assert read_front_matter(text)["license"] == "mit"
    assert read_front_matter(text)["datasets"] == ["me/data"]
    assert "<b>" not in text


def test_the_licence_of_the_base_goes_along(make_run: MakeRun) -> None:
    assert "license: apache-2.0" in made(make_run(model=STARTER))
    assert "license: llama3.2" in made(make_run(model="meta-llama/Llama-3.2-1B-Instruct"), "me/Llama-soup")
    assert "Built with Llama." in made(make_run(model="meta-llama/Llama-3.2-1B-Instruct"), "me/Llama-soup")
    with pytest.raises(ExportError, match="to begin with Llama"):
        made(make_run(model="meta-llama/Llama-3.2-1B-Instruct"))
    with pytest.raises(ExportError, match="keeps that"):
        made(make_run(model=STARTER), licence="mit")
    assert "license: apache-2.0" in made(make_run(model=STARTER), licence="Apache-2.0")


def test_a_licence_that_nothing_tells_is_named_by_the_person(make_run: MakeRun) -> None:
    run = make_run()
    with pytest.raises(ExportError, match="Nothing tells the licence") as caught:
        made(run)
    assert "name it here" in caught.value.hint
    assert "license: mit" in made(run, licence="MIT")
    own = made(run, licence="soup-1.0")
    assert (read_front_matter(own)["license"], read_front_matter(own)["license_name"]) == ("other", "soup-1.0")
    with pytest.raises(ExportError, match="cannot be the id of a licence"):
        made(run, licence="what you like")
    with pytest.raises(ExportError, match="forbids that models made from it are handed on"):
        made(run, licence="cc-by-nd-4.0")


def test_the_hub_is_asked_for_the_licence(make_run: MakeRun) -> None:
    with publishing_hub() as server:
        hub = Hub(endpoint=server.address, token=False)
        server.repositories["them/base"] = Repository(False, card={"license": "cc-by-nc-nd-4.0"})
        run = make_run(model="them/base")
        server.anybody = True
        with pytest.raises(ExportError, match=r"cc-by-nc-nd-4\.0, forbids"):
            made(run, hub=hub)
        server.repositories["them/base"].card = {
            "license": "other",
            "license_name": "soup",
            "license_link": "https://x",
        }
        with pytest.raises(ExportError, match="has the licence 'soup', which the studio does not know"):
            made(run, hub=hub)
        text = made(run, licence="other", hub=hub)
    assert "license_name: soup" in text
    assert "[soup](https://x), which is that of the base" in text
