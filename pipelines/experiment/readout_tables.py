"""The numbers, sentences and tables of a readout."""

from collections.abc import Iterator

from pipelines.experiment.readout_data import MetricEstimate, Readout
from pipelines.rendering.plain_text import minute_of
from pipelines.rendering.table_cells import Cell, KeyFigure, Table
from transforms.catalog.deep_catalogue import NUM_DECILES
from transforms.experiments.inference.decision import CONTINUE, DO_SHIP, GUARDRAIL, OTHER, SUCCESS
from transforms.experiments.readout.readout_metrics import DECILES, LEDGER
from transforms.experiments.readout.sum_looks import ALL, CAPPED, CAPPED_SHARE, NEW, RETURNING

_LEDGER_NAMES = tuple(one.name for one in LEDGER)
_DECILE_NAMES = tuple(one.name for one in DECILES)
_SEGMENTS = {
    ALL: "all users",
    NEW: "new",
    RETURNING: "returning",
    CAPPED: f"heaviest {1 - CAPPED_SHARE:.1%} cut",
}


def readout_title(readout: Readout) -> str:
    """Return the name of the experiment, and the decision if there is one treatment."""
    name = readout.experiment or "Experiment"
    verdicts = [found.verdict for found in readout.decisions.values()]
    return f"{name}: {verdicts[0]}" if len(verdicts) == 1 else name


def readout_headline(readout: Readout) -> str:
    """Return a sentence on window, users and rules."""
    exposed = sum(n for name, n in readout.counts.items() if name.startswith("exposed/"))
    rules = readout.rules
    return (
        f"{minute_of(readout.starts_at)} to {minute_of(readout.ends_at)} as planned; day {readout.num_looks} of"
        f" {rules.num_days}, {exposed:,} exposed users. Intervals hold over all daily looks together, with an error"
        f" rate of {rules.alpha:.0%} over {_count(len(rules.success) * len(readout.decisions), 'success metric')}"
    )


def readout_figures(readout: Readout) -> list[KeyFigure]:
    """Return the day, the exposed users, and the difference in each success metric."""
    exposed = sum(n for name, n in readout.counts.items() if name.startswith("exposed/"))
    figures = [
        KeyFigure("complete days", f"{readout.num_looks} of {readout.rules.num_days}"),
        KeyFigure("exposed users", f"{exposed:,}"),
    ]
    for one in _last(readout):
        if one.role == SUCCESS and one.relative is not None:
            interval = relative_text(one).partition("(")[2].rstrip(")")
            mark = one.verdict if one.verdict in ("better", "worse") else "none"
            figures.append(KeyFigure(_row_name(readout, one), f"{one.relative:+.2%}", interval, mark))
    return figures


def readout_verdicts(readout: Readout) -> list[tuple[str, str]]:
    """Return (mark, sentence) for each treatment, then remarks."""
    lines = []
    for treatment, found in readout.decisions.items():
        mark = "better" if found.verdict == DO_SHIP else "none" if found.verdict == CONTINUE else "worse"
        lines.append((mark, f"{treatment}: {found.verdict} ({'; '.join(found.reasons)})"))
    return lines + [("none", f"{one[0].upper()}{one[1:]}.") for one in readout.remarks]


def readout_tables(readout: Readout) -> list[Table]:
    """Return all tables that have rows, in the order of the page."""
    made = (
        _table(readout, "Success metrics", SUCCESS),
        _table(readout, "Guardrails", GUARDRAIL),
        _segments_table(readout),
        _ledger_table(readout),
        _deciles_table(readout),
        _table(readout, "Other metrics", OTHER),
        _ratios_table(readout),
        _meanings_table(readout),
        _counts_table(readout),
    )
    return [one for one in made if one.rows]


def relative_text(found: MetricEstimate | None) -> str:
    """Return a difference as a share of the control's value, with its interval."""
    if found is None or found.relative is None:
        return "–"
    if found.relative_low is None or found.relative_high is None:
        return f"{found.relative:+.2%} (no interval yet)"
    return f"{found.relative:+.2%} ({found.relative_low:+.2%} to {found.relative_high:+.2%})"


def _table(readout: Readout, title: str, role: str) -> Table:
    """Return the last look at the metrics of a role."""
    has_margin = role == GUARDRAIL
    hidden = (*_LEDGER_NAMES, *_DECILE_NAMES) if role == OTHER else ()
    rows = [
        (_row_name(readout, one), "ours" if role == SUCCESS else "", _cells(one, has_margin))
        for one in _last(readout)
        if one.role == role and one.metric not in hidden
    ]
    heads = ["difference (interval)", "verdict", *(["may lose"] if has_margin else [])]
    heads += ["control", "treatment", "variance cut"]
    note = {
        SUCCESS: "One of them must be significantly better. The difference is treatment minus control, as a share of"
        " the control, less what the time before the exposure explains (CUPED, variance cut); the means are raw.",
        GUARDRAIL: "Each must be significantly not inferior: the worse end of its interval loses less than it may."
        " ↓: lower is better.",
        OTHER: "For information: no decision depends on them.",
    }[role]
    return Table(title, [("", head) for head in heads], rows, note, "metric")


def _cells(found: MetricEstimate, has_margin: bool) -> list[Cell]:
    cut = "–" if not found.variance_cut else f"{found.variance_cut:.0%}"
    margin = [Cell(f"{found.margin:.1%}" if found.margin is not None else "")] if has_margin else []
    is_better, is_worse = found.verdict == "better", found.verdict == "worse"
    return [
        Cell(relative_text(found), is_best=is_better, is_bad=is_worse),
        Cell(found.verdict, is_best=is_better, is_bad=is_worse),
        *margin,
        Cell(_value(found.control_value)),
        Cell(_value(found.treatment_value)),
        Cell(cut),
    ]


def _segments_table(readout: Readout) -> Table:
    """Return the differences of the metrics that decide, for parts of the users."""
    rows = []
    for one in _last(readout):
        if one.role != OTHER:
            parts = [readout.find(one.treatment, one.metric, segment) for segment in _SEGMENTS]
            if any(parts[1:]):
                rows.append((_row_name(readout, one), "", [Cell(relative_text(part)) for part in parts]))
    note = (
        "Hardly any user decides if the last column is like the first. New users had no event before their exposure."
        " These intervals are not corrected for the number of parts."
    )
    return Table("Who it is", [("", head) for head in _SEGMENTS.values()], rows, note, "metric")


def _ledger_table(readout: Readout) -> Table:
    rows = [
        (_row_name(readout, one), "", [*_cells(one, has_margin=False)[:2], *map(Cell, _arm_values(one))])
        for one in _last(readout)
        if one.metric in _LEDGER_NAMES
    ]
    heads = ("difference (interval)", "verdict", "control (interval)", "treatment (interval)")
    note = "What recommendations do for listeners and artists, besides listening. Adoption is settled after 28 days."
    return Table("Discovery ledger", [("", head) for head in heads], rows, note, "metric")


def _deciles_table(readout: Readout) -> Table:
    """Return exposure and merit of each popularity decile in each treatment and the control."""
    rows = []
    for treatment in readout.decisions:
        for decile in range(NUM_DECILES):
            kinds = ("shown", "organic", "over_merit")
            shown, organic, over = (readout.find(treatment, f"{kind}_{decile}") for kind in kinds)
            if shown and organic and over:
                name = f"{decile}" if len(readout.decisions) == 1 else f"{treatment}: {decile}"
                ratios = _arm_values(over)
                values = [_share(shown.control_value), _share(organic.control_value), ratios[0]]
                values += [_share(shown.treatment_value), _share(organic.treatment_value), ratios[1]]
                rows.append((name, "", [*map(Cell, values), Cell(relative_text(over))]))
    heads = [(arm, head) for arm in ("control", "treatment") for head in ("exposure", "merit", "ratio (interval)")]
    note = (
        "Decile 0 has the most played tracks, each decile a tenth of the plays before the start. Exposure: share of the"
        " tracks shown; merit: share of the organic listens; ratio: above 1 the decile is shown more than users choose"
        " it themselves."
    )
    return Table("Exposure against merit", [*heads, ("", "ratio, difference (interval)")], rows, note, "decile")


def _ratios_table(readout: Readout) -> Table:
    arms = list(readout.rules.arms)
    rows = [
        (
            one.stage,
            "",
            [
                *(
                    Cell(f"{n:,}", f"planned {expected:,.0f}", is_bad=one.is_mismatch)
                    for n, expected in zip(one.users, one.expected, strict=True)
                ),
                Cell(f"{one.p:.3g}", is_bad=one.is_mismatch),
            ],
        )
        for one in readout.sample_ratios
    ]
    note = "A p below .001 blocks the readout: users are missing in one arm, and nobody knows which."
    return Table("Sample ratio", [("", head) for head in (*arms, "p")], rows, note, "users")


def _meanings_table(readout: Readout) -> Table:
    rows = [
        (name, "", [Cell(one.sentence), Cell(one.unit), Cell("higher" if one.is_higher_better else "lower")])
        for name, one in readout.metrics.items()
        if name not in _DECILE_NAMES
    ]
    return Table("Metrics", [("", head) for head in ("what", "unit", "better is")], rows, "", "metric")


def _counts_table(readout: Readout) -> Table:
    """Return the rows that were kept and rejected, by table and reason."""
    arms = list(readout.rules.arms)
    rows = []
    for name, n in sorted(readout.counts.items()):
        table, _, reason = name.partition("/")
        if table in ("assigned", "exposed"):
            reason = arms[int(reason)]
        rows.append((f"{table} {reason}".strip().replace("_", " "), "", [Cell(f"{n:,}")]))
    note = "Rejected rows of assignments and exposures are in rejected_enrolments."
    return Table("Data", [("", "rows")], rows, note, name_of_rows="what")


def _last(readout: Readout) -> Iterator[MetricEstimate]:
    """Yield the estimates of all users at the last look."""
    return (one for one in readout.estimates if one.segment == ALL and one.look == readout.num_looks - 1)


def _row_name(readout: Readout, found: MetricEstimate) -> str:
    lower = "" if readout.metrics[found.metric].is_higher_better else " ↓"
    return f"{found.metric}{lower}" if len(readout.decisions) == 1 else f"{found.treatment}: {found.metric}{lower}"


def _arm_values(found: MetricEstimate) -> tuple[str, str]:
    """Return the values of control and treatment, each with its interval."""
    control = _within(found.control_value, found.control_half)
    return control, _within(found.treatment_value, found.treatment_half)


def _within(value: float | None, half: float | None) -> str:
    if value is None or half is None:
        return _value(value)
    return f"{value:.3g} ({value - half:.3g} to {value + half:.3g})"


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _count(n: int, name: str) -> str:
    return f"{n} {name}" if n == 1 else f"{n} {name}s"
