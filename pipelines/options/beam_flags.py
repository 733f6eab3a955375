"""Flags that are passed on to Beam; one that Beam does not know either is an error."""

import json
from argparse import SUPPRESS, ArgumentError, ArgumentParser
from collections.abc import Sequence
from typing import TypeVar

from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, SetupOptions, StandardOptions

from pipelines.options.options import UsageError
from transforms.plugins import plugin_sources

# DirectRunner would try Prism first, which downloads a program at run time.
LOCAL_RUNNER = "FnApiRunner"
# The module that a worker imports first, where a run has plugins.
_RECEIVER = "pipelines.launch.received_plugins"
# Dataflow runs a submitted job by itself: the launcher must not wait for it, above all in a Flex Template.
DETACHED_RUNNERS = ("DataflowRunner", "TestDataflowRunner")
_Options = TypeVar("_Options", bound=PipelineOptions)


class ViewedOptions(PipelineOptions):
    """Options that remember their views: Beam asks for some at every transform, and builds a parser for each.

    Without this, two thirds of the time in which a graph is built goes into these parsers. All views share one
    dictionary of values, so a view that is made once shows every later change.
    """

    def view_as(self, cls: type[_Options]) -> _Options:
        """Return the view of a class."""
        views = self.__dict__.setdefault("_views", {})
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]


class PluginOptions(PipelineOptions):
    """The plugins of a run, which its workers on other machines receive with Beam's flags."""

    @classmethod
    def _add_argparse_args(cls, parser: ArgumentParser) -> None:
        # written by parse_beam()
        parser.add_argument("--plugin_sources", default="", help=SUPPRESS)


def send_plugins(options: PipelineOptions) -> None:
    """Put the plugins of this process into the options that every worker gets."""
    if sources := plugin_sources():
        setup = options.view_as(SetupOptions)
        setup.beam_plugins = [*(setup.beam_plugins or []), _RECEIVER]
        options.view_as(PluginOptions).plugin_sources = json.dumps(sources)


def parse_beam(flags: Sequence[str]) -> PipelineOptions:
    """Parse the flags that a command leaves to Beam (UsageError: Beam would ignore or refuse one)."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for beam_kind in _kinds(PipelineOptions):
        beam_kind._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(list(flags))
    except ArgumentError as error:
        raise UsageError(str(error)) from error
    if unknown:
        raise UsageError(f"unknown flag {unknown[0]}: Beam has none of that name")
    options = ViewedOptions(list(flags))
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or LOCAL_RUNNER
    send_plugins(options)
    return options


def use_object_stores(flags: Sequence[str]) -> None:
    """Give Beam's file systems the flags of their stores (UsageError: see parse_beam())."""
    FileSystems.set_options(parse_beam(flags))


def parse_awaited_beam(flags: Sequence[str]) -> PipelineOptions:
    """Parse the flags that a command leaves to Beam which reads what its graph wrote.

    Raises:
        UsageError: see parse_beam(); or they ask for a template, which nobody waits for.
    """
    options = parse_beam(flags)
    if options.view_as(GoogleCloudOptions).template_location:
        raise UsageError("--template_location: this command waits for its graph and reports: it cannot be a template")
    return options


def is_awaited(options: PipelineOptions) -> bool:
    """Return whether the launcher waits for the end of the run and prints its summary."""
    return str(options.view_as(StandardOptions).runner).rsplit(".", 1)[-1] not in DETACHED_RUNNERS


def _kinds(kind: type[PipelineOptions]) -> list[type[PipelineOptions]]:
    """Return all option classes of Beam, including indirect subclasses."""
    below = [one for child in kind.__subclasses__() for one in (child, *_kinds(child))]
    return [one for one in dict.fromkeys(below) if "_add_argparse_args" in vars(one)]
