"""One JSON value that holds a whole table: where its rows are.

People save tables in several shapes: a list under some name, a list for each column, an object for each row or column.
"""

from collections.abc import Iterator, Mapping, Sequence

from studio.data.sources.split_names import is_for_tests, is_for_training

_Named = Mapping[str, object]
_SPLIT = frozenset(("columns", "index", "data", "name", "names"))
_DEEPEST = 8


def rows_of(value: object) -> tuple[Iterator[object], str]:
    """Return the rows in a value, and a sentence on how they are stored, which is empty for a plain list or object.

    An object with several tables is one row here; `tables_in` tells them apart.
    """
    if isinstance(value, list):
        return iter(value), ""
    if not isinstance(value, dict):
        return iter([value]), ""
    viewed = _rows_of_viewer(value)
    if viewed:
        return iter(viewed), "The rows are those that the data set viewer of the Hub gave."
    split = _split(value)
    if split is not None:
        return split, "The names of the columns stand apart from the rows; they were put together."
    name = name_of_list(value)
    if name:
        items = value[name]
        assert isinstance(items, list)
        return iter(items), f"The rows are those of the list '{name[:80]}'."
    columns = _columns(value)
    if columns:
        rows = (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))
        return rows, "The file holds its columns one after another; they were put side by side."
    inner = _inner(value)
    if inner is not None:
        return inner
    entries = list(value.values())
    if _are_alike(entries):
        return iter(entries), "Each entry of the file is read as a row; the names of the entries are not used."
    return iter([value]), ""


def _rows_of_viewer(value: _Named) -> list[object]:
    """Return the rows in an answer of the data set viewer: each stands under `row` beside its number."""
    items = value.get("rows")
    if not isinstance(items, list) or not isinstance(value.get("features"), list):
        return []
    return [item["row"] for item in items if isinstance(item, dict) and isinstance(item.get("row"), dict)]


def _split(value: _Named) -> Iterator[object] | None:
    """Return the rows of a table as pandas writes it with orient="split": names in one list, rows in another."""
    names, rows = value.get("columns"), value.get("data")
    if not isinstance(names, list) or not isinstance(rows, list) or not rows or not value.keys() <= _SPLIT:
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    return (dict(zip(map(str, names), row, strict=True)) for row in rows)


def _inner(value: _Named, depth: int = 0) -> tuple[Iterator[object], str] | None:
    """Return the rows in the one object within an object, which wraps them; None where that is not so."""
    objects = [each for each in value.values() if isinstance(each, dict)]
    if len(objects) != 1 or depth == _DEEPEST or any(isinstance(each, list) for each in value.values()):
        return None
    name = name_of_list(objects[0])
    return rows_of(objects[0]) if name else _inner(objects[0], depth + 1)


def name_of_list(value: _Named) -> str:
    """Return under which name an object holds its one list of rows; empty when it is itself a row, or has several."""
    names = [name for name, items in value.items() if is_list_of_rows(items)]
    return names[0] if len(names) == 1 and not _has_conversation(value) else ""


def tables_in(value: object, depth: int = 0) -> dict[str, object]:
    """Return the tables by name where an object, or the one object within it, holds several; else nothing.

    Under names such as "train" and "test" a table may be stored in any of the shapes that `rows_of` knows.
    """
    if not isinstance(value, dict) or _has_conversation(value) or _rows_of_viewer(value) or _split(value) is not None:
        return {}
    splits = {name for name, each in value.items() if is_for_tests(name) or is_for_training(name)}
    splits = {name for name in splits if _holds_rows(value[name])}
    splits = splits if len(splits) > 1 else set()
    found = {
        name: each
        for name, each in value.items()
        if name in splits or is_list_of_rows(each) or _are_conversations(each)
    }
    if len(found) > 1:
        return {written(name): each for name, each in found.items()}
    objects = [each for each in value.values() if isinstance(each, dict)]
    is_wrapped = len(objects) == 1 and depth < _DEEPEST and not any(isinstance(each, list) for each in value.values())
    return tables_in(objects[0], depth + 1) if is_wrapped else {}


def written(name: str) -> str:
    """Return a name as it can be shown and chosen: it may hold half of a character."""
    return name.encode("utf-8", "replace").decode()


def _holds_rows(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, dict | list) for item in value)
    return isinstance(value, dict) and bool(rows_of(value)[1])


def _are_conversations(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(each, list) and is_conversation(each) for each in value)


def _has_conversation(value: _Named) -> bool:
    return any(isinstance(items, list) and is_conversation(items) for items in value.values())


def is_list_of_rows(items: object) -> bool:
    """Say whether a value is a list of objects which are not the turns of one conversation."""
    return isinstance(items, list) and any(isinstance(item, dict) for item in items) and not is_conversation(items)


def is_conversation(items: Sequence[object]) -> bool:
    """Say whether a list holds the turns of one conversation."""
    return bool(items) and all(isinstance(item, dict) and ("role" in item or "from" in item) for item in items)


def _columns(value: _Named) -> dict[str, list[object]]:
    """Find columns of equal length in an object; nothing when it does not hold columns."""
    found: dict[str, list[object]] = {}
    for name, cells in value.items():
        if isinstance(cells, dict) and len(cells) > 1 and all(key.isdecimal() for key in cells):
            cells = list(cells.values())
        if not isinstance(cells, list) or not all(_is_cell(cell) for cell in cells):
            return {}
        found[name] = cells
    lengths = {len(cells) for cells in found.values()}
    holds_conversations = any(isinstance(cell, list) for cells in found.values() for cell in cells)
    is_table = len(lengths) == 1 and lengths != {0} and (len(found) > 1 or holds_conversations)
    return found if is_table else {}


def _is_cell(value: object) -> bool:
    return is_conversation(value) if isinstance(value, list) else not isinstance(value, dict)


def _are_alike(entries: Sequence[object]) -> bool:
    """Say whether all entries are objects that share at least one name, and there are several."""
    if len(entries) < 2:
        return False
    shared: set[str] | None = None
    for entry in entries:
        if not isinstance(entry, dict) or not entry:
            return False
        shared = set(entry) if shared is None else shared & set(entry)
    return bool(shared)
