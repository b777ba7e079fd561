"""Preparing clips as a share of what the detector does alone, and the memory of many clips."""

import importlib.util
from collections.abc import Iterator

from benchmarking.alternating import compared, spread
from benchmarking.clips import write_clips
from benchmarking.command import Command
from benchmarking.plan import Plan, say
from benchmarking.result import Figure
from benchmarking.setting import Setting
from benchmarking.worker import Worker

TASKS = ("detect", "detect_by_clip", "prepare")
NEEDED = ("av", "facenet_pytorch")


def prepare(plan: Plan) -> Iterator[Figure]:
    """Yield the share of the detector's rate, what wider batches would give, and memory."""
    if missing := [name for name in NEEDED if not importlib.util.find_spec(name)]:
        say(f"preparing clips: left out, {missing[0]} is not installed (extras face and video)")
        return
    say(f"writing {plan.sizes.prepared_clips:,} clips")
    folder = write_clips(plan.folder / "clips", plan.sizes.prepared_clips, plan.demo)
    yield from _shares(plan, Setting(folder, plan.folder, plan.threads))
    yield from _memory(plan)


def _shares(plan: Plan, setting: Setting) -> Iterator[Figure]:
    """Yield figures of blocks of clips, the three tasks taking turns on each."""
    clock: dict[str, list[float]] = {task: [] for task in TASKS}
    processor: dict[str, list[float]] = {task: [] for task in TASKS}
    with Worker("benchmarking.preparing_system:Preparing", setting) as worker:
        worker.ask("read", 0)
        worker.ask("detect")  # the first is slower
        for turn in range(plan.sizes.prepare_turns):
            say(f"preparing clips: turn {turn + 1} of {plan.sizes.prepare_turns}")
            frames = worker.ask("read", turn)
            for task in TASKS:
                clock[task].append(worker.ask(task, turn) / frames)
                processor[task].append(worker.ask("processor") / frames)
    what = "frames that prepare makes faces of, as a share of the detector's own rate"
    for seconds, by in ((processor, "processor time"), (clock, "the clock")):
        own, ours = seconds["detect"], seconds["prepare"]
        yield Figure(
            "prepare",
            f"{what}, by {by}",
            "the detector alone",
            "%",
            compared(own, ours, scale=100),
            ours=1 / spread(ours).median,
            theirs=1 / spread(own).median,
            rate="frames/s",
            target=plan.target(80, True),
        )
    by_clip, across = processor["detect_by_clip"], processor["detect"]
    wider = compared(by_clip, across)
    yield Figure("prepare", "finding faces in batches across clips", "in a clip each", "x", wider)


def _memory(plan: Plan) -> Iterator[Figure]:
    """Yield the time of the whole command, and its memory against that of half the clips.

    A few clips are no measure: torch keeps up to 1,024 kernels, each made for one number of
    candidate faces, and it takes some hundred clips to meet as many numbers.
    """
    folder, count = plan.folder / "clips", plan.sizes.prepared_clips
    usages = []
    for shards in (2, 1) if count > 1 else (1,):
        say(f"preparing {count // shards:,} clips")
        out = plan.folder / f"prepared-{shards}"
        words = ["-m", "fewshot_fer.prepare", f"videos={folder}", f"out={out}", "device=cpu"]
        if shards > 1:
            words += [f"shards={shards}", "shard=0"]
        usages.append(Command(words, plan.folder / "prepare.log").run(plan.sizes.fresh))
    half, whole = usages[0], usages[-1]
    what = f"processor time of {count:,} clips, from start to end"
    yield Figure("prepare", what, "", "s", spread([whole.processor]), size=count)
    yield Figure(
        "prepare",
        f"peak memory of {count:,} clips",
        "half of them",
        "x",
        spread([whole.peak / half.peak]),
        ours=whole.peak,
        theirs=half.peak,
        rate="MB",
        target=plan.target(1.25, False),
        size=count,
    )
