"""homeshelf signal: measures new columns, joined as they were known, on a run's examples."""

import json
import time
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.inputs.published import PublishedRun
from pipelines.options.options import UsageError
from pipelines.options.published_options import SignalOptions
from pipelines.rendering.console import wide_console
from pipelines.rendering.steps import shown_steps
from pipelines.signals.ablation import FeatureAblation
from pipelines.signals.dataset import SignalDataset, load_dataset
from pipelines.signals.findings import ColumnValues, SignalStudy
from pipelines.signals.table import SignalTable, read_signals
from pipelines.signals.text import StudySubject, print_study, study_as_json
from pipelines.signals.verdict import LEAKS, NO_EVIDENCE, SHIP, decide_verdict

_SEED = 1
# The worst verdict comes first: it decides the exit status.
_EXIT_STATUS = {LEAKS: 3, NO_EVIDENCE: 4, SHIP: 0}


def run_signal(options: SignalOptions) -> int:
    """Measure every column and print the findings.

    Returns:
        3 if a column leaks, else 4 if there is no evidence for one, else 0.

    Raises:
        UsageError: the table, the run or the output is unusable, or the table and the run have no key in common.
    """
    if options.file and not Path(options.file).parent.is_dir():
        raise UsageError(f"--file={options.file}: there is no such folder")
    with shown_steps() as step:
        step(f"read {options.table}")
        signals = read_signals(options.table, options.key, options.known_at, options.columns)
        published = PublishedRun(options.run, needs_pages=False)
        step(f"examples of {published.folder}")
        dataset = load_dataset(published, options.num_users, _SEED)
        values, rate = _join(signals, dataset)
        step("models without the columns")
        study = SignalStudy(FeatureAblation(dataset, signals.key, options.num_threads), is_timed=bool(signals.known_at))
        findings = []
        for index, name in enumerate(signals.columns):
            step(f"column {index + 1} of {len(signals.columns)}: {name}")
            findings.append(study.measure(name, ColumnValues(*(one[:, index] for one in values))))
    num_users = len(np.unique(dataset.validation.user))
    subject = StudySubject(
        published.folder, options.table, signals.key, signals.known_at, num_users, len(dataset.validation), rate
    )
    print_study(wide_console(), subject, findings)
    if options.file:
        Path(options.file).write_text(json.dumps(study_as_json(subject, findings), indent=1))
    verdicts = {decide_verdict(found) for found in findings}
    return next(status for verdict, status in _EXIT_STATUS.items() if verdict in verdicts)


def _join(signals: SignalTable, dataset: SignalDataset) -> tuple[ColumnValues, float]:
    """Return the values of all columns, each array [n, columns], and the number of candidates joined a second.

    Raises:
        UsageError: no candidate has a value.
    """
    start = time.perf_counter()
    keys = (dataset.train.keys, dataset.validation.keys, dataset.scored)
    values = ColumnValues(*(signals.values_for(one) for one in keys))
    rate = sum(map(len, values)) / (time.perf_counter() - start)
    if not any(np.isfinite(one).any() for one in values):
        raise UsageError(_explain_no_values(signals, pl.concat(keys)))
    return values, rate


def _explain_no_values(signals: SignalTable, candidates: pl.DataFrame) -> str:
    """Return why no candidate has a value: the table has other keys, or its values were learned too late."""
    key = list(signals.key)
    if len(signals.rows.join(candidates, on=key, how="semi")):
        last = candidates["cutoff_at"].sort()[-1]
        return f"--table has candidates of the run, but no value of theirs that was known before {last:%Y-%m-%d %H:%M}"
    theirs, ours = (
        str(frame.select(pl.concat_str(*key, separator=", ").min())[0, 0]) for frame in (signals.rows, candidates)
    )
    name = ", ".join(key)
    return f"--table and the run have no {name} in common: the first of the table is {theirs!r}, of the run {ours!r}"
