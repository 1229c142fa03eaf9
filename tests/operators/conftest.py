"""The workers' world: what operators ask about."""

from tests.workers.conftest import world

__all__ = ["world"]  # a fixture
