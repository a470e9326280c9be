import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from studio.ui.serving.page_assets import FOLDER, PageAssets, indexed


def client(folder: Path) -> TestClient:
    rest = Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("the rest"))])
    return TestClient(PageAssets(rest, folder))


def test_files_are_sent_compressed_and_kept_by_the_browser(tmp_path: Path) -> None:
    (tmp_path / "index-1a.js").write_text("let a = 1;\n" * 200)
    (tmp_path / "small.css").write_text("a{}")
    pages = client(tmp_path)
    sent = pages.get("/assets/index-1a.js", headers={"Accept-Encoding": "gzip"})
    assert sent.headers["content-encoding"] == "gzip"
    assert "immutable" in sent.headers["cache-control"]
    assert sent.headers["vary"] == "Accept-Encoding"
    assert "javascript" in sent.headers["content-type"]
    assert int(sent.headers["content-length"]) < 200
    assert sent.text == "let a = 1;\n" * 200
    plain = pages.get("/assets/index-1a.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == sent.text
    assert "content-encoding" not in pages.get("/assets/small.css").headers


def test_nothing_but_the_files_of_the_folder_is_sent(tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    (folder / "deeper").mkdir(parents=True)
    (folder / "deeper" / "b.js").write_text("b")
    (tmp_path / "secret.js").write_text("secret")
    (folder / "link.js").symlink_to(tmp_path / "gone.js")
    pages = client(folder)
    for path in (
        "/assets/../secret.js",
        "/assets/%2e%2e/secret.js",
        "/assets/deeper/b.js",
        "/assets/",
        "/assets/link.js",
    ):
        assert pages.get(path).text == "the rest"
    assert pages.post("/assets/a.js").status_code == 405


def test_the_page_of_this_gradio_searches_by_an_index() -> None:
    """Every value that the page read or wrote searched all components, which took most of the time to open it."""
    core = next(FOLDER.glob("core-*.js")).read_text(encoding="utf-8")
    found = indexed(core)
    assert found.count(".known??=new WeakMap") == 1
    assert found.count("this.known_events??=new WeakMap") == 1
    assert len(re.findall(r"function \w+\(e,t\)\{if\(e\.id===t\)return e;if\(e\.children\)for", found)) == 0


def test_another_gradio_is_served_as_it_is() -> None:
    assert indexed("export default 1;") == "export default 1;"
