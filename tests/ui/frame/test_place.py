import pytest

from studio.studio import Studio
from studio.ui.frame.place import RUN_OF, Place, open_place, read_place
from tests.ui.fake_studio import finished_run

TABS = ("data", "train", "compare", "evaluate", "export", "runs")


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "train",
        {"tab": ["train"], "run": {"a": 1}},
        {"tab": "<script>", "run": "x" * 201},
        {"tab": "../runs", "run": "\ud800"},
        {"tab": "", "run": ""},
    ],
)
def test_what_no_address_can_name_is_left_out(sent: object) -> None:
    assert read_place(sent, TABS) == Place()


def test_an_address_opens_its_tab_and_its_run(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips")
    first, second = (finished_run(studio, dataset_id=dataset.id) for _ in range(2))
    assert first.id != second.id
    for tab in RUN_OF:
        place = read_place({"tab": tab, "run": first.id}, TABS)
        tabs, *shown = open_place(studio, place)
        assert tabs["selected"] == tab
        found = dict(zip(RUN_OF, shown, strict=True))
        assert found[tab] == first.id if tab == "compare" else found[tab]["value"] == first.id
        assert all("value" not in each for name, each in found.items() if name != tab)


def test_a_run_that_is_not_here_opens_its_tab_alone(studio: Studio) -> None:
    for run in ("../../etc", "20990101-000000-no-such"):
        with pytest.warns(UserWarning, match="not in this studio"):
            tabs, *shown = open_place(studio, Place("train", run))
        assert tabs["selected"] == "train"
        assert all("value" not in each for each in shown)


def test_without_an_address_the_run_at_work_is_what_the_person_came_back_for(studio: Studio) -> None:
    dataset = studio.data.add_sample("order_slips")
    assert all("value" not in each for each in open_place(studio, Place()))
    live = studio.start_run(finished_run(studio, dataset_id=dataset.id).config, dataset.id)
    tabs, train, *_ = open_place(studio, Place())
    assert (tabs["selected"], train["value"]) == ("train", live.id)
    assert open_place(studio, Place("data"))[0]["selected"] == "data"
