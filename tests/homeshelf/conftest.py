"""The runs that tests of the pipelines read, too."""

from tests.pipelines.conftest import dofns_inspected_once, models, published, world

__all__ = ["dofns_inspected_once", "models", "published", "world"]
