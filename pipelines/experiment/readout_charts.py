"""The charts of a readout: intervals of the metrics that decide, their course by day, and exposure against merit."""

import altair as alt

from pipelines.experiment.readout_data import MetricEstimate, Readout
from pipelines.rendering.charts import CHART_HEIGHT, CHART_WIDTH, AltairChart, ChartRow, new_chart
from pipelines.rendering.pictures import Chart, draw_svg
from transforms.catalog.deep_catalogue import NUM_DECILES
from transforms.experiments.inference.decision import GUARDRAIL, OTHER, SUCCESS
from transforms.experiments.readout.sum_looks import ALL

_PERCENT = alt.Axis(format="+.1~%")
# Intervals of the first days are much wider than all that follow, and would flatten them.
_MAX_WIDTHS = 6.0


def draw_readout_charts(readout: Readout) -> list[Chart]:
    """Draw all charts for which the readout has values."""
    drawn = []
    for treatment in readout.decisions:
        of = f" of {treatment}" if len(readout.decisions) > 1 else ""
        for title, sentence, chart in (
            (
                f"Metrics that decide{of}",
                "Improvement with its interval, as a share of the control's value; a tick is the loss that a guardrail"
                " accepts.",
                _intervals(readout, treatment),
            ),
            (
                f"Success metrics by day{of}",
                "Difference from the start to each day, with the interval that daily looks allow.",
                _course(readout, treatment),
            ),
            (
                f"Exposure over merit by popularity{of}",
                "Share of tracks shown over share of organic listens, with intervals; decile 0 has the most played"
                " tracks.",
                _deciles(readout, treatment),
            ),
        ):
            if chart is not None:
                drawn.append(Chart(title, sentence, draw_svg(chart)))
    return drawn


def _intervals(readout: Readout, treatment: str) -> AltairChart | None:
    """Draw one line for each success metric and guardrail, better to the right."""
    rows = [
        _improvement(readout, one)
        for one in readout.estimates
        if (one.treatment, one.segment, one.look) == (treatment, ALL, readout.num_looks - 1)
        and one.role != OTHER
        and one.relative_low is not None
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: str(row["role"]), reverse=True)
    metric = alt.Y("metric:N", sort=[row["metric"] for row in rows], title=None, axis=alt.Axis(labelLimit=160))
    colour = alt.Color("role:N", sort=[SUCCESS, GUARDRAIL])
    base = new_chart(rows, "{metric}: {middle:+.2%} ({low:+.2%} to {high:+.2%})").encode(y=metric)
    zero = new_chart([{"x": 0.0}]).mark_rule(strokeDash=[4, 3]).encode(x="x:Q")
    lines = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title="improvement", axis=_PERCENT), x2="high:Q", color=colour
    )
    points = base.mark_circle(size=70, opacity=1).encode(x="middle:Q", color=colour)
    margins = base.transform_filter("isValid(datum.margin)").mark_tick(thickness=3, size=16, color="#D55E00")
    chart = zero + lines + points + margins.encode(x="margin:Q")
    return chart.properties(width=CHART_WIDTH - 60, height=max(120, 34 * len(rows)))


def _improvement(readout: Readout, found: MetricEstimate) -> ChartRow:
    """Return the interval of the improvement: to the right is better."""
    sign = 1.0 if readout.metrics[found.metric].is_higher_better else -1.0
    ends = sorted(sign * value for value in (found.relative_low or 0.0, found.relative_high or 0.0))
    return {
        "metric": found.metric,
        "role": found.role,
        "low": ends[0],
        "high": ends[1],
        "middle": sign * (found.relative or 0.0),
        "margin": None if found.margin is None or found.role != GUARDRAIL else -found.margin,
    }


def _course(readout: Readout, treatment: str) -> AltairChart | None:
    """Draw the difference of each success metric after each day."""
    found = [
        one
        for one in readout.estimates
        if (one.treatment, one.segment, one.role) == (treatment, ALL, SUCCESS) and one.relative_low is not None
    ]
    widths = {one.metric: (one.relative_high or 0.0) - (one.relative_low or 0.0) for one in found}
    rows = [
        {
            "metric": one.metric,
            "day": one.look + 1,
            "middle": one.relative,
            "low": one.relative_low,
            "high": one.relative_high,
        }
        for one in found
        if (one.relative_high or 0.0) - (one.relative_low or 0.0) < _MAX_WIDTHS * widths[one.metric]
    ]
    if len(rows) < 2:
        return None
    day = alt.X("day:Q", title="day", scale=alt.Scale(domain=[1, readout.rules.num_days]), axis=alt.Axis(tickMinStep=1))
    # a symbol as faint as the band would hardly be seen
    symbols = alt.Legend(symbolOpacity=1)
    colour = alt.Color("metric:N", sort=list(readout.rules.success), legend=symbols)
    base = new_chart(rows, "{metric}, day {day}: {middle:+.2%} ({low:+.2%} to {high:+.2%})").encode(x=day, color=colour)
    band = base.mark_area(opacity=0.22).encode(y=alt.Y("low:Q", title="difference", axis=_PERCENT), y2="high:Q")
    line = (base.mark_line(strokeWidth=2.5) + base.mark_circle(size=30, opacity=1)).encode(y="middle:Q")
    zero = new_chart([{"y": 0.0}]).mark_rule(strokeDash=[4, 3]).encode(y="y:Q")
    return (band + line + zero).properties(width=CHART_WIDTH, height=CHART_HEIGHT - 60)


def _deciles(readout: Readout, treatment: str) -> AltairChart | None:
    """Draw how much more each popularity decile is shown than chosen, by arm."""
    control = next(iter(readout.rules.arms))
    rows = []
    for decile in range(NUM_DECILES):
        over = readout.find(treatment, f"over_merit_{decile}")
        if over and over.control_value is not None and over.treatment_value is not None:
            rows.append(_ratio(control, decile, over.control_value, over.control_half))
            rows.append(_ratio(treatment, decile, over.treatment_value, over.treatment_half))
    if not rows:
        return None
    arms = alt.Color("arm:N", sort=[control, treatment])
    base = new_chart(rows, "{arm}, decile {decile}: {ratio:.2f} ({low:.2f} to {high:.2f})").encode(
        x=alt.X("decile:O", title="popularity decile", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("ratio:Q", title="exposure over merit", scale=alt.Scale(zero=False)),
        color=arms,
    )
    one = new_chart([{"y": 1.0}]).mark_rule(strokeDash=[4, 3]).encode(y="y:Q")
    lines = base.mark_line(strokeWidth=2) + base.mark_circle(size=50, opacity=1)
    reach = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2="high:Q")
    return (one + reach + lines).properties(width=CHART_WIDTH, height=CHART_HEIGHT - 60)


def _ratio(arm: str, decile: int, ratio: float, half: float | None) -> ChartRow:
    reach = half or 0.0
    return {"arm": arm, "decile": decile, "ratio": ratio, "low": ratio - reach, "high": ratio + reach}
