import gradio as gr
import pytest

from studio.ui.kit.actions import Action, action_html, button, chooser, on_action, pager, read_action


@pytest.mark.parametrize("data", [None, "fix", 3, [], {"verb": 1}, {"verb": "x", "key": None}, {"key": "x" * 201}])
def test_what_no_page_of_ours_sends_is_a_press_of_nothing(data: object) -> None:
    assert read_action(data) == Action()


def test_three_short_texts_are_read() -> None:
    assert read_action({"verb": "part", "key": "2", "value": "answer", "more": 1}) == Action("part", "2", "answer")
    assert Action(key="2").number == 2
    assert [Action(key=key).number for key in ("", "-1", "x", "²", "1.0")] == [-1] * 5


def test_names_cannot_leave_their_attributes() -> None:
    evil = '"><script>alert(1)</script>'
    made = button(evil, "fix", key=evil, name=evil) + chooser(
        "part", key=evil, choices=[(evil, evil)], chosen=evil, name=evil
    )
    assert "<script" not in made
    assert made.count("<button") == made.count("<select") == made.count("<option") == 1


def test_the_chosen_one_is_marked() -> None:
    made = chooser("part", key=0, choices=[("a", "A"), ("b", "B")], chosen="b", name="What it holds")
    assert '<option value="b" selected>B</option>' in made
    assert '<option value="a">A</option>' in made
    assert 'aria-label="What it holds"' in made


def test_a_listener_gets_the_press_and_its_inputs() -> None:
    got: list[tuple[Action, str]] = []

    def listen(press: Action, *, name: str) -> str:
        got.append((press, name))
        return name

    with gr.Blocks() as page:
        list_of_buttons, name = action_html(elem_id="x"), gr.Textbox()
        on_action(list_of_buttons, listen, inputs_kwargs={"name": name}, outputs=[name])
    (wired,) = page.fns.values()
    assert wired.fn is not None
    wired.fn(gr.EventData(None, {"verb": "show", "key": "copies"}), name="Ada")
    assert got == [(Action("show", "copies"), "Ada")]


def test_a_fix_is_marked_so_that_only_one_is_made_at_a_time() -> None:
    assert "data-fixes" in button("Mask", "fix", fixes=True)
    assert "data-fixes" not in button("Show", "show", once=True)


def test_the_pages_of_a_list_are_turned_by_number() -> None:
    assert "button" not in pager("3 rows", "page", page=0, pages=1)
    first = pager("1 to 20 of 30 rows", "page", page=0, pages=2, scroll="top")
    assert first.index("disabled") < first.index("1 to 20 of 30 rows") < first.index('data-key="1"')
    assert 'data-scroll="top"' in first
