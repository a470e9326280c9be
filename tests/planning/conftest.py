from tests.ui.conftest import reading, studio

__all__ = ["reading", "studio"]
