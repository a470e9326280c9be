import socket
import threading
from dataclasses import replace

import pytest

from studio.errors import RunError
from studio.studio import Studio
from studio.ui.kit.theme import STYLE_SHEETS
from studio.ui.serving.server import serve, served
from studio.ui.serving.site import mount_options


def test_nothing_leaves_the_machine(studio: Studio) -> None:
    options = mount_options(studio)
    assert options["show_error"] is False
    assert "allowed_paths" not in options
    css = options["theme"]._get_theme_css() + "".join(sheet.read_text(encoding="utf-8") for sheet in STYLE_SHEETS)
    assert "@import" not in css
    assert "url('http" not in css
    assert options["theme"]._stylesheets == []


def test_a_port_in_use_is_a_sentence(studio: Studio) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        studio.settings = replace(studio.settings, port=port)
        with pytest.raises(RunError, match=f"Port {port} .* another program is listening") as caught:
            serve(studio)
    assert "STUDIO_PORT" in caught.value.hint


def test_an_open_stream_does_not_hold_the_end(studio: Studio) -> None:
    """Every open page keeps a stream to the server for as long as it is open."""
    with served(studio, port=0) as server, socket.create_connection(("127.0.0.1", server.port)) as page:
        page.sendall(b"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert page.recv(100).startswith(b"HTTP/1.1 200")
        server.stop()
        assert "page" not in {thread.name for thread in threading.enumerate()}


def test_a_host_that_cannot_be_looked_up_is_a_sentence(studio: Studio) -> None:
    studio.settings = replace(studio.settings, host="x" * 70)
    with pytest.raises(RunError, match="cannot be used"):
        serve(studio)
