from tests.pipelines.conftest import published, world

__all__ = ["published", "world"]
