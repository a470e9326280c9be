from tests.ui.conftest import facts, mixed_lengths, studio, table

__all__ = ["facts", "mixed_lengths", "studio", "table"]
