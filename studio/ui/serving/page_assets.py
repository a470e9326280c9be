"""Gradio's scripts and styles, read and compressed once: a browser asks for dozens of them before it shows the page.

Two functions of Gradio's page search the whole tree of components, the one for each value that it reads or writes and
the other for each component, which for a page of 600 was three quarters of what opening it costs. They are served
with an index in their place. Where a version of Gradio has other functions they are served as they are.
"""

import gzip
import logging
import mimetypes
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import gradio
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
PREFIX = "/assets/"

_FOREVER = "private, max-age=31536000, immutable"
"""The names change with the content."""

_COMPRESSED = (".js", ".css", ".svg", ".json")

_SEARCH = re.compile(
    r"function (?P<name>\w+)\(e,t\)\{if\(e\.id===t\)return e;if\(e\.children\)for\(let n of e\.children\)"
    r"\{let e=(?P=name)\(n,t\);if\(e\)return e\}return null\}"
)
_INDEXED_SEARCH = (
    r"function \g<name>(e,t){let c=\g<name>.known??=new WeakMap,k=c.get(e);"
    r"if(!k||k.of!==e.children){k={of:e.children,nodes:new Map};"
    r"let add=n=>{k.nodes.has(n.id)||k.nodes.set(n.id,n);if(n.children)for(let each of n.children)add(each)};"
    r"add(e);c.set(e,k)}let found=k.nodes.get(t);if(found)return found;"
    # What came later, below a component that was there already.
    r"let find=n=>{if(n.id===t)return n;if(n.children)for(let each of n.children){let one=find(each);if(one)return one}"
    r"return null};found=find(e);found&&k.nodes.set(t,found);return found}"
)
_EVENTS = re.compile(
    r"find_attached_events\(e,t\)\{let n=t\.filter\(t=>t\.targets\.find\(\(\[t\]\)=>t===e\.id\)\)"
    r"\.map\(t=>\{let n=t\.targets\.find\(\(\[t\]\)=>t===e\.id\);return n\?n\[1\]:null\}\)\.filter\(Boolean\);"
    r"return e\.props\.shared_props\.attached_events=n,e\}"
)
_INDEXED_EVENTS = (
    "find_attached_events(e,t){let c=this.known_events??=new WeakMap,k=c.get(t);"
    "if(!k){k=new Map;for(let each of t){let seen=new Set;for(let[id,event]of each.targets){"
    "if(seen.has(id))continue;seen.add(id);if(event){k.has(id)||k.set(id,[]);k.get(id).push(event)}}}c.set(t,k)}"
    "return e.props.shared_props.attached_events=[...k.get(e.id)??[]],e}"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asset:
    """A file as it is sent, plain and compressed; without `compressed` it is not worth it."""

    kind: str
    plain: bytes
    compressed: bytes = b""


class PageAssets:
    """A layer of ASGI that answers for the files in the folder of Gradio's assets, and passes everything else on."""

    def __init__(self, app: ASGIApp, folder: Path = FOLDER) -> None:
        self._app = app
        self._files = {file.name: file for file in folder.iterdir() if file.is_file()} if folder.is_dir() else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file that is known by its name."""
        path = scope.get("path", "")
        file = self._files.get(path.removeprefix(PREFIX)) if path.startswith(PREFIX) else None
        if scope["type"] != "http" or scope["method"] != "GET" or file is None:
            await self._app(scope, receive, send)
            return
        await answer(read_asset(file), scope)(scope, receive, send)


def answer(asset: Asset, scope: Scope) -> Response:
    """Make the answer for an asset, compressed where the browser takes that."""
    takes = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    if takes and asset.compressed:
        return Response(asset.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.kind)
    return Response(asset.plain, headers=headers, media_type=asset.kind)


@lru_cache(maxsize=256)
def read_asset(file: Path) -> Asset:
    """Read a file, and compress it where that is worth it."""
    content = file.read_bytes()
    if file.name.startswith("core-") and file.suffix == ".js":
        content = indexed(content.decode("utf-8")).encode("utf-8")
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    worth = file.suffix in _COMPRESSED and len(content) > 500
    return Asset(kind, content, gzip.compress(content, 9, mtime=0) if worth else b"")


def indexed(script: str) -> str:
    """Put an index in the place of the two searches of Gradio's page."""
    for search, index in ((_SEARCH, _INDEXED_SEARCH), (_EVENTS, _INDEXED_EVENTS)):
        script, found = search.subn(index, script)
        if not found:
            log.warning("This version of Gradio searches its components in another way: the page opens more slowly.")
    return script
