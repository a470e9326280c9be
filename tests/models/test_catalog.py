from studio.config import STARTER
from studio.models.catalog import KNOWN_MODELS


def test_the_starter_comes_first_and_each_model_once() -> None:
    assert KNOWN_MODELS[0].id == STARTER
    assert len({model.id for model in KNOWN_MODELS}) == len(KNOWN_MODELS)


def test_models_stand_by_size_with_all_their_facts() -> None:
    sizes = [model.parameters for model in KNOWN_MODELS]
    assert sizes == sorted(sizes)
    assert all(model.title and model.licence and model.note for model in KNOWN_MODELS)


def test_gated_models_are_those_with_a_licence_of_their_own() -> None:
    assert {model.licence for model in KNOWN_MODELS if not model.gated} == {"Apache-2.0", "MIT"}
