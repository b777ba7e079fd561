"""A comparison of all methods on three tests, and each method's share of its time."""

import csv
from collections.abc import Iterator
from pathlib import Path

from benchmarking.alternating import spread
from benchmarking.command import Command, Usage
from benchmarking.plan import SWEPT, Plan, say
from benchmarking.result import Figure

TESTS = "compound_4w5s,afew_4w5s,basic_7w1s"
MOST = 90  # seconds of two cores' clock
LARGEST = 50  # percent of the methods' time that any of them may take


def methods(plan: Plan) -> Iterator[Figure]:
    """Yield what `test` takes with methods=all, and the share of each method by the clock."""
    run = _trained(plan)
    say(f"all methods on {TESTS}")
    usage, tested = _compared(plan, run)
    seconds = seconds_by_method(tested / "methods.csv")
    whole = sum(seconds.values())
    count = plan.sizes.compared_episodes
    what = f"test of {TESTS.count(',') + 1} tests of {count} episodes with methods=all"
    yield Figure(
        "methods",
        f"{what}, from start to end",
        "",
        "s",
        spread([usage.seconds]),
        backbone="conv4",
        ours=usage.processor,
        rate="s of processors",
        target=plan.target(MOST, False),
        size=count,
    )
    own, *others = seconds
    longest = max(others, key=seconds.__getitem__)
    for name in (own, *sorted(others, key=seconds.__getitem__, reverse=True)):
        yield Figure(
            "methods",
            f"{name}{', embedding included' if name == own else ''}: its share of that",
            "all methods",
            "%",
            spread([100 * seconds[name] / whole]),
            backbone="conv4",
            ours=seconds[name],
            theirs=whole,
            rate="s",
            target=plan.target(LARGEST, False) if name == longest else None,
        )


def seconds_by_method(table: Path) -> dict[str, float]:
    """Return the seconds of each method over the tests of a methods.csv.

    The run's own method comes first: with it the images are embedded, for all.
    """
    seconds = dict[str, float]()
    with table.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            # 0.00 for what takes less than five milliseconds; the CSV of figures has none below.
            more = max(float(row["seconds"]), 0.001)
            seconds[row["method"]] = seconds.get(row["method"], 0) + more
    return seconds


def _trained(plan: Plan) -> Path:
    """Return a run of one short epoch: methods take as long on weights that have learnt more.

    It is the first job of the sweep where that was measured.
    """
    for weights in sorted((plan.folder / SWEPT).rglob("best.pt")):
        return weights.parent
    sizes, out = plan.sizes, plan.folder / "methods"
    words = [
        *("-m", "fewshot_fer.train", "train=fast", *_common(plan), "train.epochs=1"),
        *(f"backbone.filters={sizes.filters}", f"backbone.image_size={sizes.image_size}"),
        *(f"train.episodes_per_epoch={sizes.swept_episodes}", f"demo.scale={sizes.demo_scale}"),
        *("train.n_query=2", "eval.episodes=20"),
    ]
    say("training a run to compare methods on")
    Command(words, plan.folder / "methods.log").run(sizes.fresh)
    return next(out.glob("train/*"))


def _compared(plan: Plan, run: Path) -> tuple[Usage, Path]:
    words = [
        *("-m", "fewshot_fer.test", f"run={run}", f"test=[{TESTS}]", "methods=all"),
        *(f"test.episodes={plan.sizes.compared_episodes}", *_common(plan)),
    ]
    usage = Command(words, plan.folder / "methods.log").run(plan.sizes.fresh)
    return usage, next((plan.folder / "methods").glob("test/*"))


def _common(plan: Plan) -> list[str]:
    paths = ["paths=demo", f"paths.outputs={plan.folder / 'methods'}"]
    return [*paths, f"threads={plan.threads}", "device=cpu"]
