import socket
from dataclasses import replace

import pytest

from studio.errors import RunError
from studio.runs.studio import Studio
from studio.ui.server import mount_options, serve
from studio.ui.theme import STYLE_SHEET


def test_nothing_leaves_the_machine(studio: Studio) -> None:
    options = mount_options(studio)
    assert options["show_error"] is False
    assert "allowed_paths" not in options
    css = options["theme"]._get_theme_css() + STYLE_SHEET.read_text(encoding="utf-8")
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
