"""A sweep of short jobs: what of its time goes into their starts."""

import json
from collections.abc import Iterator
from pathlib import Path

from benchmarking.alternating import spread
from benchmarking.command import Command
from benchmarking.plan import SWEPT, Plan, say
from benchmarking.result import Figure

JOBS = 200  # of the sweep that the figure is for
SCRIPT = Path(__file__).with_name("timed_sweep.py")


def sweep(plan: Plan) -> Iterator[Figure]:
    """Yield the share of starts in a sweep of 200 jobs, from fewer; all by processor time."""
    measured = plan.sizes.swept_jobs
    say(f"a sweep of {measured} jobs")
    times = _times(plan, measured)
    starts, works, imported = times["starts"], times["works"], times["imported"]
    (whole,) = times["all"]
    others = whole - imported[0] - sum(works)  # starts, and the sweep's own table
    scale = JOBS / measured
    share = 100 * (imported[0] + scale * others) / (imported[0] + scale * (whole - imported[0]))
    yield Figure(
        "sweep",
        f"starts of a sweep of {JOBS} short jobs, as a share of its processor time",
        "all of it",
        "%",
        spread([share]),
        ours=1e3 * spread(starts).median,
        theirs=1e3 * spread([a + b for a, b in zip(starts, works, strict=True)]).median,
        rate="ms",
        target=plan.target(15, False),
        size=measured,
    )


def _times(plan: Plan, jobs: int) -> dict[str, list[float]]:
    """Return what timed_sweep.py writes, each as a list. Raises RunError where the sweep fails."""
    file, sizes = plan.folder / "sweep.json", plan.sizes
    words = [
        *("train=fast", "paths=demo", f"demo.scale={sizes.demo_scale}", "device=cpu"),
        *(f"backbone.filters={sizes.filters}", f"backbone.image_size={sizes.image_size}"),
        *("train.epochs=1", f"train.episodes_per_epoch={sizes.swept_episodes}", "train.n_query=2"),
        *("eval.episodes=20", f"threads={plan.threads}", f"paths.outputs={plan.folder / SWEPT}"),
        *("-m", f"seed=range({jobs})"),
    ]
    log = plan.folder / "sweep.log"
    Command([str(SCRIPT), str(file), *words], log).run(plan.sizes.fresh)
    found = json.loads(file.read_text(encoding="utf-8"))
    return {key: value if isinstance(value, list) else [value] for key, value in found.items()}
