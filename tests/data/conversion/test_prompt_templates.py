from studio.data.conversion.prompt_templates import fill, has_stray_brace, names_in


def test_names_stand_in_braces() -> None:
    assert names_in("{title}\n\n{the body} {title} {{no}}") == ("title", "the body")
    assert names_in("nothing") == ()


def test_filling_computes_nothing() -> None:
    texts = {"a": "{b}", "b": "B", "a.__class__": "plain name"}
    assert fill("{a} {{b}} {b!r} {b:>9} {a.__class__}", texts) == "{b} {b} {b!r} {b:>9} plain name"


def test_a_brace_that_stands_alone() -> None:
    assert not has_stray_brace("{a} {{ }} {{{a}}}")
    assert all(map(has_stray_brace, ("{a", "a}", "{a}}", "{ {a}")))
