"""All commands: the console script, its help, the README and docs/reference/commands.md are made from this tuple.

Adding a command is an entry here, the dataclass of its flags and its function.
"""

from pipelines.command import Command
from transforms.plugins import plugin_entries

COMMANDS: tuple[Command, ...] = (
    Command(
        "init",
        "pipelines.options.setup_options:InitOptions",
        "pipelines.configuration.init:write_config",
        examples=(
            "homeshelf init --events=listens.csv",
            "homeshelf init --events=listens.csv --events_columns=track_id:recording --tracks=songs.parquet",
        ),
    ),
    Command(
        "validate",
        "pipelines.options.setup_options:ValidateOptions",
        "pipelines.configuration.validate:validate_inputs",
        examples=("homeshelf validate --config=homeshelf.yaml",),
        statuses=((1, "a run of these tables would fail, or rules name what is not there"),),
    ),
    Command(
        "run",
        "pipelines.options.setup_options:LaunchOptions",
        "pipelines.launch.launch:run_home_shelves",
        takes_beam_flags=True,
        statuses=((143, "the run was terminated (SIGTERM)"),),
        note="Flags of Beam (`--runner`, `--direct_num_workers`, `--region`, ...) are handed on; a flag that neither"
        " knows is an error. Without `--runner` the run stays in this process.",
    ),
    Command(
        "backfill",
        "pipelines.options.setup_options:BackfillOptions",
        "pipelines.launch.backfill:run_days",
        takes_beam_flags=True,
        examples=("homeshelf backfill --first_day=2025-12-25 --last_day=2025-12-31 --config=homeshelf.yaml",),
        note="Besides these, the flags of `homeshelf run`, whose statuses are those of the first day that fails, which"
        " ends it. What was interrupted is started again with the same line.",
    ),
    Command(
        "preview", "pipelines.options.published_options:PreviewOptions", "pipelines.runs.preview.preview:run_preview"
    ),
    Command(
        "report",
        "pipelines.options.published_options:ReportOptions",
        "pipelines.runs.run_report:run_report",
        extra="evaluate",
    ),
    Command("why", "pipelines.options.published_options:WhyOptions", "pipelines.explain.why:run_why"),
    Command(
        "check",
        "pipelines.options.published_options:CheckOptions",
        "pipelines.check.check:run_check",
        statuses=((1, "something on a page is wrong"),),
    ),
    Command(
        "runs",
        "pipelines.options.housekeeping_options:RunsOptions",
        "pipelines.runs.housekeeping:list_runs",
        takes_beam_flags=True,
        statuses=((1, "a file is damaged, or the pointer of a day names a run that is not there"),),
    ),
    Command(
        "rollback",
        "pipelines.options.housekeeping_options:RollbackOptions",
        "pipelines.runs.rollback:rollback_run",
        takes_beam_flags=True,
    ),
    Command(
        "prune",
        "pipelines.options.housekeeping_options:PruneOptions",
        "pipelines.runs.prune:prune_runs",
        takes_beam_flags=True,
    ),
    Command(
        "erase",
        "pipelines.options.housekeeping_options:EraseOptions",
        "pipelines.runs.erasure:erase_users",
        takes_beam_flags=True,
        statuses=((1, "a run still at work holds rows of the users"),),
    ),
    Command(
        "evaluate",
        "pipelines.options.evaluation_options:EvaluateOptions",
        "pipelines.evaluation.command:run_evaluation",
        takes_beam_flags=True,
        extra="evaluate",
        note="Besides these, the flags of `homeshelf run` that configure the stages.",
    ),
    Command(
        "compare",
        "pipelines.options.evaluation_options:CompareOptions",
        "pipelines.evaluation.comparison:run_comparison",
        statuses=((3, "a system of `--not_worse` is worse in B"),),
        note="A and B are the `--output` of two evaluations of the same cutoffs.",
    ),
    Command("assign", "pipelines.options.experiment_options:AssignOptions", "pipelines.experiment.assign:run_assign"),
    Command(
        "experiment",
        "pipelines.options.experiment_options:ExperimentOptions",
        "pipelines.experiment.command:run_experiment",
        takes_beam_flags=True,
        extra="evaluate",
        statuses=((3, "the arms do not have the planned shares of users: the readout is blocked"),),
    ),
    Command(
        "quote",
        "pipelines.options.published_options:QuoteOptions",
        "pipelines.quote.command:run_quote",
        examples=(
            "homeshelf quote --run=small,large --users=1000000 --tracks=500000 --events_per_day=9000000"
            " --prices=prices.yaml",
        ),
    ),
    Command(
        "rewards",
        "pipelines.options.published_options:RewardsOptions",
        "pipelines.ranker_study.reward_study:run_rewards",
    ),
    Command(
        "benchmark",
        "pipelines.options.published_options:BenchmarkOptions",
        "pipelines.ranker_study.compare:run_benchmark",
        extra="evaluate",
    ),
    Command(
        "signal",
        "pipelines.options.published_options:SignalOptions",
        "pipelines.signals.command:run_signal",
        extra="evaluate",
        statuses=((3, "a column leaks"), (4, "no column leaks, and for one there is no evidence")),
    ),
    Command(
        "replay",
        "pipelines.options.replay_options:ReplayOptions",
        "pipelines.replay.command:run_replay",
        takes_beam_flags=True,
        extra="evaluate",
        statuses=((3, "the log cannot tell what the target would bring: no number, and the reasons"),),
        note="Besides these, flags of Beam.",
    ),
    Command(
        "loop",
        "pipelines.options.loop_options:LoopOptions",
        "pipelines.loop.command:run_served_days",
        extra="evaluate",
        note="Besides these, the flags of `homeshelf run` that configure the stages, for all arms.",
    ),
    Command("sample", "pipelines.options.sample_options:SampleOptions", "pipelines.sample_world.command:run_sample"),
    *plugin_entries("COMMANDS"),
)
