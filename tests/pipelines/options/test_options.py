import copy
from dataclasses import MISSING, fields, replace
from datetime import datetime, timezone

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions

from pipelines.options.beam_flags import LOCAL_RUNNER, is_awaited, parse_awaited_beam, parse_beam
from pipelines.options.evaluation_options import CompareOptions, EvaluateOptions
from pipelines.options.flag_kinds import flag_text, parse_path
from pipelines.options.housekeeping_options import EraseOptions
from pipelines.options.options import RunOptions, UsageError
from pipelines.options.parsing import check_options, parse_flags
from pipelines.options.published_options import PreviewOptions, SignalOptions
from pipelines.options.sample_options import SampleOptions

REQUIRED = ["--events=e", "--output=o"]


def test_flags_are_read_and_the_rest_comes_back() -> None:
    options, rest = parse_flags(
        RunOptions, [*REQUIRED, "--seed=7", "--as_of=2026-01-02", "--hidden_units=8,4", "--region=x"]
    )
    assert (options.seed, options.hidden_units, rest) == (7, (8, 4), ["--region=x"])
    assert options.as_of == datetime(2026, 1, 2, tzinfo=timezone.utc)


def test_of_a_flag_that_is_given_twice_the_last_counts() -> None:
    options, _ = parse_flags(RunOptions, [*REQUIRED, "--seed=7", "--gate=off", "--seed=8", "--gate=fail", "--events=f"])
    assert (options.seed, options.gate, options.events) == (8, "fail", "f")


@pytest.mark.parametrize("kind", [RunOptions, SampleOptions, EraseOptions, PreviewOptions])
def test_former_names_of_flags_are_still_read(kind: type) -> None:
    required = [f"--{one.name}=x" for one in fields(kind) if one.default is MISSING]
    renamed = [one for one in fields(kind) if one.metadata.get("alias")]
    assert renamed
    for one in renamed:
        value = "7" if one.type == "int" or one.type is int else "x"
        rest = [flag for flag in required if flag != f"--{one.name}=x"]
        options, left = parse_flags(kind, [*rest, f"--{one.metadata['alias']}={value}"])
        assert not left and getattr(options, one.name) == one.metadata["kind"](value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=timezone.utc)),
        ("2026-01-02 03:04", datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)),
    ],
)
def test_times_are_utc(text: str, expected: datetime) -> None:
    options, _ = parse_flags(RunOptions, [*REQUIRED, f"--as_of={text}"])
    assert options.as_of == expected


@pytest.mark.parametrize("kind", [RunOptions, EvaluateOptions, CompareOptions, SampleOptions])
def test_every_default_is_one_that_could_be_given(kind: type) -> None:
    given = {one.name: one for one in fields(kind) if one.default is not MISSING}
    for name, one in given.items():
        if one.default in (None, "", ()):
            continue
        assert one.metadata["kind"](flag_text(one.default)) == one.default, name


@pytest.mark.parametrize(
    "flag",
    ["--seed=x", "--num_buckets=-1", "--num_epochs=0", "--label_days=0", "--hidden_units=8,", "--learning_rate=nan"]
    + ["--training_windows=1,3", "--training_windows="],
)
def test_invalid_values_are_refused(flag: str) -> None:
    with pytest.raises(UsageError, match=flag.split("=")[0]):
        parse_flags(RunOptions, [*REQUIRED, flag])


def test_training_windows_count_once_the_oldest_first() -> None:
    assert parse_flags(RunOptions, [*REQUIRED, "--training_windows=2,5,2"])[0].training_windows == (5, 2)


def test_cutoffs_are_in_order_and_count_once() -> None:
    options, _ = parse_flags(EvaluateOptions, [*REQUIRED, "--as_of=2026-01-09,2026-01-02,2026-01-09T00:00:00Z"])
    assert [one.day for one in options.as_of] == [2, 9]
    assert parse_flags(EvaluateOptions, REQUIRED)[0].as_of == ()


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-05:00", "0001-01-01", "1970-01-01"])
def test_times_that_no_calendar_can_hold_are_refused(time: str) -> None:
    with pytest.raises(UsageError, match="is not between 1971 and 9998"):
        parse_flags(RunOptions, [*REQUIRED, f"--as_of={time}"])


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".hidden", "a b"])
def test_the_name_of_a_run_is_that_of_a_folder(name: str) -> None:
    with pytest.raises(UsageError, match="--run_id"):
        parse_flags(RunOptions, [*REQUIRED, f"--run_id={name}"])


def test_flags_are_not_abbreviated() -> None:
    _, rest = parse_flags(RunOptions, [*REQUIRED, "--max_shel=3"])
    assert rest == ["--max_shel=3"]


def test_a_misspelt_required_flag_is_named() -> None:
    with pytest.raises(UsageError, match="--events requires an argument. Did you mean --events instead of --event=e"):
        parse_flags(RunOptions, ["--event=e", "--output=o", "--region=x"])
    with pytest.raises(UsageError, match="--events requires an argument.$"):
        parse_flags(RunOptions, ["--output=o", "--region=x"])


def test_views_of_beams_options_are_made_once_and_show_every_change() -> None:
    options = parse_beam(["--direct_num_workers=2"])
    view = options.view_as(DirectOptions)
    assert options.view_as(DirectOptions) is view
    options.view_as(StandardOptions).runner = "FlinkRunner"
    view.direct_num_workers = 3
    copied = copy.deepcopy(options)
    assert copied.view_as(DirectOptions).direct_num_workers == 3
    copied.view_as(DirectOptions).direct_num_workers = 4
    assert (view.direct_num_workers, copied.get_all_options()["direct_num_workers"]) == (3, 4)
    assert copied.view_as(StandardOptions).runner == "FlinkRunner"


def test_beam_gets_its_own_flags_and_a_runner_of_this_process() -> None:
    options = parse_beam(
        ["--direct_num_workers=2", "--labels=a=b", "--region=europe-west1", "--temp_location=gs://b/t"]
    )
    assert options.view_as(DirectOptions).direct_num_workers == 2
    assert options.view_as(StandardOptions).runner == LOCAL_RUNNER and is_awaited(options)
    assert is_awaited(parse_beam(["--runner=FlinkRunner"])) and not is_awaited(parse_beam(["--runner=DataflowRunner"]))


@pytest.mark.parametrize("flag", ["--evnets=x", "--num_bucket=3"])
def test_unknown_flags_are_refused(flag: str) -> None:
    with pytest.raises(UsageError, match=f"unknown flag {flag}"):
        parse_beam(["--region=x", flag])


def test_a_command_that_waits_for_its_graph_is_no_template() -> None:
    with pytest.raises(UsageError, match="cannot be a template"):
        parse_awaited_beam(["--template_location=gs://b/t"])


@pytest.mark.parametrize("flag", ["--direct_num_workers=two", "--direct_running_mode=quick", "--runner"])
def test_flags_that_beam_refuses_are_usage_errors(flag: str) -> None:
    with pytest.raises(UsageError, match=flag.split("=")[0]):
        parse_beam([flag])


@pytest.mark.parametrize(
    "kind", [RunOptions, EvaluateOptions, SampleOptions, EraseOptions, PreviewOptions, SignalOptions]
)
def test_the_home_folder_is_expanded_in_every_path(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    paths = [one.name for one in fields(kind) if one.metadata["kind"] is parse_path]
    others = [f"--{one.name}=user_id" for one in fields(kind) if one.default is MISSING and one.name not in paths]
    options, _ = parse_flags(kind, [*others, *(f"--{name}=~/a,~,b~" for name in paths)])
    assert paths and {getattr(options, name) for name in paths} == {"/home/me/a,/home/me,b~"}


def test_values_of_python_are_those_of_the_flags() -> None:
    given = RunOptions(
        events="events",
        output="out",
        as_of=datetime(2026, 1, 1),
        hidden_units=(16, 8),
        exploration=0.25,
        surfaces=("home", "discover"),
    )
    assert check_options(given) == replace(given, as_of=datetime(2026, 1, 1, tzinfo=timezone.utc))
