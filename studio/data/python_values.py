"""Lists and objects as Python prints them, which pandas and numpy write into files. Nothing is run."""

import ast
import re

_LONGEST = 300_000
"""Python's own parser needs about a hundred times the memory of what it reads."""
_DEEPEST = 50
_ESCAPES = re.compile(r"\\[\\'\"abfnrtvxuUN]")
_NO_COMMA = re.compile(r"(?<=[})\]])\s*\n\s*(?=[{\[(])")
"""numpy prints the items of a list on lines of their own, without commas between them."""

_CALLED = frozenset("array Timestamp Decimal UUID str_ bool_ int32 int64 float32 float64".split())
_NAMES = {"nan": None, "NaN": None, "NaT": None, "null": None, "true": True, "false": False}


def python_value(text: str) -> list[object] | dict[object, object] | None:
    """Read a list or dict as Python prints it; None when the text is none, or is too long or nested too deeply."""
    if len(text) > _LONGEST or "'" not in text or _ESCAPES.sub("", text).count("\\"):
        return None
    if max(text.count(bracket * _DEEPEST) for bracket in "[{(-~") > 0:
        return None
    try:
        found = _value(ast.parse(_NO_COMMA.sub(", ", text.strip()), mode="eval").body)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list | dict) else None


def _value(node: ast.expr) -> object:
    """Return what an expression stands for; a value of numpy or pandas, such as array([...]), for what it holds.

    Raises ValueError for anything that is not plain.
    """
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(item) for item in node.elts]
        return tuple(items) if isinstance(node, ast.Tuple) else items
    if isinstance(node, ast.Dict):
        keys = [_value(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in _CALLED:
        return _value(node.args[0])
    if isinstance(node, ast.Name) and node.id in _NAMES:
        return _NAMES[node.id]
    return ast.literal_eval(node)
