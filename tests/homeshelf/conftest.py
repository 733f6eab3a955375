"""The runs that tests of the pipelines read, too."""

from tests.pipelines.conftest import models, published, world

__all__ = ["models", "published", "world"]
