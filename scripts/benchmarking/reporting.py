"""A report of many runs: its time, the size of its page, and memory as runs are added."""

from collections.abc import Iterator

from measure_report import MEGABYTES, SECONDS, Report, fabricate, report

from benchmarking.alternating import spread
from benchmarking.plan import Plan, say
from benchmarking.result import Figure, Target


def reporting(plan: Plan) -> Iterator[Figure]:
    """Yield figures of reports of fewer and of more runs, that nobody trained."""
    made: list[Report] = []
    for count in plan.sizes.reported_runs:
        say(f"writing {count:,} runs, and a report of them")
        base = plan.folder / f"report-{count}"
        fabricate(base, count, plan.sizes.reported_images)
        made.append(report(base, plan.sizes.fresh))
        yield from _figures(plan, count, made[-1])
    few, many = (plan.sizes.reported_runs[place] for place in (0, -1))
    yield Figure(
        "report",
        f"peak memory of a report of {many:,} runs",
        f"{few:,} runs",
        "x",
        spread([made[-1].peak / made[0].peak]),
        ours=made[-1].peak,
        theirs=made[0].peak,
        rate="MB",
        target=plan.target(1.25, False),
        size=many,
    )


def _figures(plan: Plan, count: int, made: Report) -> Iterator[Figure]:
    what = f"a report of {count:,} runs"
    rows: tuple[tuple[str, str, float, Target | None], ...] = (
        ("processor time of", "s", made.processor, plan.target(SECONDS, False)),
        ("report.html of", "MB", made.page, plan.target(MEGABYTES, False)),
        ("report.csv of", "MB", made.table, None),
    )
    for name, unit, value, target in rows:
        yield Figure(
            "report", f"{name} {what}", "", unit, spread([value]), target=target, size=count
        )
