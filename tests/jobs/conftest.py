from tests.runs.conftest import fake_launch, say

__all__ = ["fake_launch", "say"]
