"""Every message of the page that the catalogs must hold, read from the source.

What is a message is told by rules: text of markup, and a string that reads like words and is not used for something
else (a log, a pattern, a key, a comparison, an id, an error that no person meets).
"""

import ast
import functools
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

PROBES = Path(__file__).parents[3] / "assets" / "probes"
STUDIO = Path(__file__).parents[3] / "studio"

NOT_SHOWN = (
    *(
        "workers/modelfile.py",
        "workers/ollama_asking.py",
        "ml/gguf_prompts.py",
        "ml/gguf_converting.py",
        "ml/llama_asking.py",
    ),
    *("cli/", "settings.py", "logs.py", "workers/__main__.py", "jobs/model_card.py", "jobs/snippets.py"),
    *(
        "jobs/published_card.py",
        "models/licences.py",
        "models/front_matter.py",
        "models/spaces.py",
        "mirror/__main__.py",
        "mirror/state.py",
        "mirror/contents.py",
    ),
    *(
        "ui/language/choice.py",
        "ui/language/front.py",
        "ui/api.py",
        "ui/kit/theme.py",
        "ui/serving/request",
        "ui/serving/page_",
        "ui/serving/origins",
    ),
    *("openai_api/", "workers/together.py"),
    *("ui/accounts/gate.py", "ui/accounts/serving.py", "runs/fair_queue.py"),
    *(
        "ui/serving/server.py",
        "ui/serving/site.py",
        "ui/serving/changes.py",
        "jobs/places/file_server.py",
        "jobs/places/process_jobs.py",
        "data/conversion/column_names.py",
        "data/alphabets.py",
    ),
)
"""Rooms whose texts reach a terminal or a program, not the page."""

PLUMBING = frozenset(
    """debug info warning error exception compile match search sub fullmatch findall finditer split join startswith
    endswith encode decode replace strip getenv open Path get pop getattr hasattr setattr isinstance TypeVar getLogger
    with_name joinpath glob rglob write read_text write_text removeprefix removesuffix index find count Popen
    add_argument namedtuple register import_module ValueError TypeError RuntimeError KeyError AssertionError
    NotImplementedError IndexError OSError FileNotFoundError Damaged on_load
    call read_bytes environ logged ParamSpec frozenset""".split()
)
"""Functions whose texts are no words for a person, by their last name."""

NOT_WORDS = frozenset(
    """elem_id elem_classes verb kind key script template js type icon section id variant mode prog
    api_description api_name""".split()
)
"""Arguments that are ids."""

ATTRIBUTES = ("aria-label", "title", "placeholder", "alt", "data-label")
BLANK = re.compile(r"\s+")
CODE = re.compile(r"[={}\\*^]|;\S|;$|__|^ls-|\w\|\w|\(\?|[=-]$|/\w+/|\.(py|json|jsonl|txt|js|css|html)\b")
"""What stands in code, and in no sentence."""

SENTENCE = re.compile(r"[^\w\s]*[A-Z].*\s.*\s.*[.!?]", re.S)
IN_NO_SENTENCE = re.compile(r"[{}\\^]|;\S|;$|__|^ls-|\w\|\w|\(\?")
"""What is code even where it stands in what looks like a sentence: one may name a file or a setting."""

MARKUP = re.compile(r"</?(p|div|span|small|strong|b|i|h\d|button|svg|ul|li|dl|details|section)[ >]")
CHOICE = re.compile(r"[(]?(?!\W*[a-z]+-$|.*_|.*\.[a-z]|.*\d[a-z]|.*[a-z]\d|[a-z]+-[a-z]+$|[A-Z]-)[\w ,.'-]{2,}[)]?")
"""Words between which a text chooses."""
WORD = re.compile(r"[A-Za-z]{2,}")


@functools.cache
def messages() -> dict[str, list[str]]:
    """Return every message with where it stands."""
    found: dict[str, list[str]] = {}
    for file in sorted(STUDIO.rglob("*")):
        place = file.relative_to(STUDIO).as_posix()
        if place.startswith(NOT_SHOWN):
            continue
        for number, text in _of(file, place):
            plain = BLANK.sub(" ", text).strip()
            if WORD.search(re.sub(r"\{\d*#?\}", "", plain)):
                found.setdefault(plain, []).append(f"{place}:{number}")
    for probe in sorted(PROBES.glob("*.jsonl")):
        for row in map(json.loads, probe.read_text().splitlines()):
            found.setdefault(row.get("subject") or row.get("genre"), []).append(probe.name)
    return found


def _of(file: Path, place: str) -> Iterator[tuple[int, str]]:
    if file.suffix == ".py":
        yield from _Python().of(file.read_text())
    elif file.suffix == ".html":
        source = re.sub(r"\{#.*?#\}", "", file.read_text(), flags=re.S)
        yield from ((0, text) for text in _in_jinja(source))
        source = re.sub(r"\{%.*?%\}", "", source, flags=re.S)
        yield from ((0, numbered(text)) for text in of_markup(re.sub(r"\{\{.*?\}\}", "{}", source, flags=re.S)))
    elif file.suffix == ".js":
        source = file.read_text()
        for match in re.finditer(r"studio\.t\(\s*'((?:[^'\\]|\\.)*)'", source):
            yield source.count("\n", 0, match.start()) + 1, match[1].replace("\\'", "'")


def _in_jinja(source: str) -> Iterator[str]:
    """Yield the texts in the statements of a template, and those that its expressions add to another text."""
    for statement in re.findall(r"\{% for .*?%\}", source, flags=re.S):
        yield from (text for text in re.findall(r'"([^"]*)"', statement) if " " in text or text.istitle())
    yield from map(numbered, re.findall(r'\{\{ "([^"]*)"\.format', source))
    yield from re.findall(r'\{\{ spot\("([^"]*)"', source)
    for text in re.findall(r'\{\{[^}]*~ "([^"]*)"[^}]*\}\}', source):
        yield "{0}" + text


def numbered(text: str) -> str:
    """Number the placeholders of a text: "{} of {}" -> "{0} of {1}"."""
    count = iter(range(100))
    return re.sub(
        r"\{(#?)(?:!\w)?(:[^{}]*)?\}", lambda found: f"{{{next(count)}{'#' if found[1] or found[2] else ''}}}", text
    )


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.skipped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script"):
            self.skipped.append(tag)
        self.found += [value for name, value in attrs if name in ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        if self.skipped and self.skipped[-1] == tag:
            self.skipped.pop()

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.found.append(data)


def of_markup(markup: str) -> list[str]:
    """Return the texts of markup."""
    parser = _Texts()
    parser.feed(markup)
    parser.close()
    return parser.found


class _Python(ast.NodeVisitor):
    """Finds the messages of one module."""

    def __init__(self) -> None:
        self._found: list[tuple[int, str]] = []

    def of(self, source: str) -> list[tuple[int, str]]:
        tree = ast.parse(source)
        self._put_in = {
            name for each in ast.walk(tree) if isinstance(each, ast.FormattedValue) for name in _names(each)
        }
        self.visit(tree)
        return self._found

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for each in (node.left, *node.comparators):
            if not isinstance(each, ast.Constant | ast.Tuple | ast.Set | ast.List):
                self.visit(each)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        if not isinstance(node.slice, ast.Constant):
            self.visit(node.slice)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key in node.keys:
            if isinstance(key, ast.JoinedStr) or (isinstance(key, ast.Constant) and " " in str(key.value)):
                self.visit(key)
        for value in node.values:
            self.visit(value)

    def visit_Assign(self, node: ast.Assign) -> None:
        pairs = [(target, node.value) for target in node.targets]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=False))
        for target, value in pairs:
            if isinstance(target, ast.Name) and target.id in self._put_in:
                self._take_choice(value)
        self.visit(node.value)

    def visit_Return(self, node: ast.Return) -> None:
        if isinstance(node.value, ast.IfExp):
            self._take_choice(node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for each in (*node.args.defaults, *node.args.kw_defaults, *node.body):
            if each is not None:
                self.visit(each)

    def visit_arg(self, node: ast.arg) -> None:
        """Leave annotations out."""

    def visit_MatchValue(self, node: ast.MatchValue) -> None:
        """A case is a comparison."""

    def visit_Call(self, node: ast.Call) -> None:
        name = _name(node.func)
        if isinstance(node.func, ast.Attribute):
            self.visit(node.func)
        if name == "counted" and len(node.args) > 1:
            self._counted(node)
        for each in node.args:
            if isinstance(each, ast.Constant | ast.JoinedStr | ast.BinOp) and name in PLUMBING:
                continue
            if name == "Markup" and isinstance(each, ast.Constant):
                if not re.fullmatch(r" [\w-]+(=\".*\")?", str(each.value)):
                    self._found += [(node.lineno, numbered(text)) for text in of_markup(str(each.value))]
                continue
            self.visit(each)
        for word in node.keywords:
            if word.arg not in NOT_WORDS:
                self.visit(word.value)

    def _counted(self, node: ast.Call) -> None:
        noun, *more = node.args[1:]
        if isinstance(noun, ast.Constant):
            plural = more[0].value if more and isinstance(more[0], ast.Constant) else f"{noun.value}s"
            self._found += [(node.lineno, f"{{0#}} {noun.value}"), (node.lineno, f"{{0#}} {plural}")]

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._take(node.lineno, _template(node), joined=True)
        for each in node.values:
            if isinstance(each, ast.FormattedValue):
                self._take_choice(each.value)
                self.visit(each.value)

    def _take_choice(self, node: ast.AST) -> None:
        """Take the words between which a text chooses: "is" or "are"."""
        if isinstance(node, ast.IfExp):
            for each in (node.body, node.orelse):
                self._take_choice(each)
        elif isinstance(node, ast.Tuple):
            for each in node.elts:
                self._take_choice(each)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and CHOICE.fullmatch(node.value):
            self._found.append((node.lineno, node.value))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._take(node.lineno, node.value)

    def _take(self, line: int, text: str, *, joined: bool = False) -> None:
        if MARKUP.search(text):
            self._found += [(line, numbered(each)) for each in of_markup(text)]
        elif self._reads_like_words(text, joined=joined):
            self._found.append((line, numbered(text)))

    def _reads_like_words(self, text: str, *, joined: bool) -> bool:
        bare = re.sub(r"\{#?\}", "", text).strip()
        code = IN_NO_SENTENCE if SENTENCE.fullmatch(bare) else CODE
        if not WORD.search(bare) or bare.isupper() or code.search(bare):
            return False
        is_joined = joined and (" " in text or text.startswith("{#}"))
        return " " in text.strip() or is_joined or bool(re.fullmatch(r"[A-Z][a-zé-]+[?!.:]?", bare))


def _names(node: ast.FormattedValue) -> set[str]:
    return {each.id for each in ast.walk(node.value) if isinstance(each, ast.Name)}


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _template(node: ast.JoinedStr) -> str:
    parts = []
    for each in node.values:
        if isinstance(each, ast.Constant):
            parts.append(str(each.value))
        else:
            spec = _template(each.format_spec) if isinstance(each, ast.FormattedValue) and each.format_spec else ""
            parts.append("{#}" if re.search(r"[,fgd%]", spec) else "{}")
    return "".join(parts)
