"""Print a plan, and write it as JSON, Markdown and HTML."""

from pipelines.experiment.duration import DurationPlan, plan_to_json
from pipelines.rendering.console import PlainConsole
from pipelines.rendering.html.links import write_page
from pipelines.rendering.html.report import Report, render_html, render_markdown
from pipelines.rendering.plain_text import minute_of
from pipelines.rendering.table_cells import Cell, KeyFigure, Table
from pipelines.rendering.terminal_tables import print_tables
from transforms.tables.files import write_atomically


def write_duration_plan(console: PlainConsole, plan: DurationPlan, folder: str) -> None:
    """Print the plan and write plan.json, plan.md and plan.html."""
    tables = [_table_of(plan, days) for days in sorted({one.days for one in plan.powers})]
    verdict, title = duration_verdict(plan), "Plan of an experiment"
    longest = max((one.days for one in plan.powers), default=0)
    needed = f"over {longest}" if plan.days_needed is None else f"{plan.days_needed}"
    report = Report(
        title=title,
        heading=title,
        headline=_headline(plan),
        figures=[
            KeyFigure("days needed", needed, mark=verdict[0]),
            KeyFigure("users of the history", f"{plan.users:,}"),
            KeyFigure("power", f"{plan.power:.0%}", f"error rate {plan.alpha:.0%}"),
        ],
        verdicts=[verdict],
        tables=tables,
        command=plan.command,
        homeshelf=plan.homeshelf,
        num_on_top=1,
    )
    print_tables(console, tables)
    console.print(f"- {verdict[1]}", highlight=False)
    write_atomically(f"{folder}/plan.json", plan_to_json(plan).encode())
    write_atomically(f"{folder}/plan.md", render_markdown(report).encode())
    write_page(f"{folder}/plan.html", render_html(report))
    console.print(f"{folder}/plan.html", highlight=False, soft_wrap=True)


def duration_verdict(plan: DurationPlan) -> tuple[str, str]:
    """Return (mark, sentence): how long the experiment must run."""
    if plan.days_needed is not None:
        return "better", f"{plan.days_needed} days are enough: every metric that decides has its power."
    longest = max((one.days for one in plan.powers), default=0)
    short = [one for one in plan.powers if one.days == longest and one.users > plan.users]
    if not short:
        return "worse", "The history does not tell any metric that decides."
    names = ", ".join(f"{one.metric} ({one.users:,} users)" for one in short)
    return "worse", f"{longest} days are too short for {plan.users:,} users: {names}."


def _headline(plan: DurationPlan) -> str:
    return (
        f"From the listening of {plan.users:,} users from {minute_of(plan.history_from)} to"
        f" {minute_of(plan.history_to)}; error rate {plan.alpha:.0%} over all success metrics and daily looks, power"
        f" {plan.power:.0%} of the decision"
    )


def _table_of(plan: DurationPlan, days: int) -> Table:
    rows = [
        (
            one.metric,
            "ours" if one.role == "success" else "",
            [
                Cell(one.role),
                Cell(f"{one.value:.4g}"),
                Cell(f"{one.variance_cut:.0%}"),
                Cell(f"{one.effect:.1%}"),
                Cell(f"{one.users:,}", is_bad=one.users > plan.users),
                Cell(f"{one.detectable:.2%}"),
            ],
        )
        for one in plan.powers
        if one.days == days
    ]
    heads = ("role", "value", "variance cut", "to find", "users needed", f"found with {plan.users:,} users")
    return Table(f"{days} days", [("", head) for head in heads], rows, "", "metric")
