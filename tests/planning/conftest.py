from tests.ui.conftest import facts, studio

__all__ = ["facts", "studio"]
