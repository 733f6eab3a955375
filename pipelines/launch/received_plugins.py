"""Imported by a worker before all else, where its run has plugins: takes them from the options of the run."""

import json

from apache_beam.options.value_provider import RuntimeValueProvider

from transforms.plugins import receive_plugins

receive_plugins(json.loads(RuntimeValueProvider.get_value("plugin_sources", str, "[]")))
