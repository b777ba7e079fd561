"""How time and memory grow with images, episodes, classes and clips."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarking.alternating import spread
from benchmarking.faces import write_noise_pack
from benchmarking.growth_picture import EMBEDDING, UPPER, slope_of
from benchmarking.plan import EASYFSL, OURS, Plan, say, workers
from benchmarking.result import Figure
from benchmarking.setting import SCALED_SIDE, TRAINING
from benchmarking.worker import MEGABYTE, Worker

MEMORY_EPISODES = 10  # training episodes after which the peak is reached


STEEPEST = 1.15  # slope of time over size, both as logarithms, that counts as linear


def scaling(plan: Plan) -> Iterator[Figure]:
    """Yield time and memory over growing sizes, each in a fresh process, and how steep time is."""
    yield from _over_episodes(plan)
    sizes = plan.sizes
    for figures in (
        (each for count in sizes.scaled_images for each in _over_images(plan, count)),
        _over(plan, "tables", "table of images", sizes.growing_images),
        _over(plan, "twins", "check's search for near-identical images", sizes.growing_images),
        _over(plan, "check", "check of images on disk", sizes.packed_images),
        _over(plan, "episodes", "drawing and scoring episodes", sizes.growing_episodes),
        _over(plan, "classes", "pooling classes, 10,000 episodes", sizes.growing_classes),
        _over(plan, "clips", "table and pool of clips", sizes.growing_clips),
    ):
        measured = []
        for figure in figures:
            measured += [figure] if figure.unit == "s" else []
            yield figure
        if len(measured) > 1:
            yield _steepness(plan, measured)


def packing(plan: Plan) -> Iterator[Figure]:
    """Yield the time to pack pictures, and to find the pack again."""
    measured = []
    for count in plan.sizes.packed_images:
        say(f"packing {count:,} images")
        with Worker("benchmarking.growth_systems:Packing", plan.setting(count)) as worker:
            packed = [worker.ask("pack", number) for number in range(plan.sizes.long_turns)]
            opened = [worker.ask("open", number) for number in range(plan.sizes.long_turns)]
            peak = worker.ask("peak_memory")
        rate = count / spread(packed).median
        measured.append(_grown("packing", "packing", "s", packed, count, rate, "images/s"))
        yield measured[-1]
        yield _grown("packing", "opening a pack", "ms", [1e3 * each for each in opened], count)
        yield _grown("packing", "peak memory: packing", "MB", [peak], count)
    if len(measured) > 1:
        yield _steepness(plan, measured)


def memory(plan: Plan) -> Iterator[Figure]:
    """Yield the peak memory of training, each system in a fresh process.

    Every image is read once first: a memory map counts as resident as far as it was read, and a
    long training reads all of it.
    """
    setting = plan.setting(plan.sizes.training_images)
    systems = {name: each for name, each in plan.systems().items() if name in (OURS, EASYFSL)}
    for name, factory in systems.items():
        say(f"peak memory of {name}")
        with Worker(factory, setting) as worker:
            if name == OURS:
                worker.ask("read_all")
            worker.ask("train", MEMORY_EPISODES)
            peak = worker.ask("peak_memory")
        what = f"peak memory of {name}, training, {TRAINING}, {plan.sizes.training_images:,} images"
        target = plan.target(1500, False) if name == OURS else None
        figure = _grown("memory", what, "MB", [peak], plan.sizes.training_images)
        yield replace(figure, target=target)


def _over_episodes(plan: Plan) -> Iterator[Figure]:
    setting = plan.setting(plan.sizes.images)
    for count in plan.sizes.scaled_episodes:
        say(f"evaluating {count:,} episodes")
        with workers(plan.systems(peers=False), setting) as running:
            running[OURS].ask("evaluate", 2)
            turns = plan.sizes.long_turns
            seconds = [count * running[OURS].ask("evaluate", count) for _ in range(turns)]
            scored = [running[OURS].ask("score", count) for _ in range(turns)]
            peak = running[OURS].ask("peak_memory")
        million = count == 1_000_000
        what = f"evaluating episodes of {plan.sizes.images:,} images"
        figure = _grown("scaling", what, "s", seconds, count, count / spread(seconds).median)
        yield replace(figure, rate="episodes/s", target=plan.target(30, False) if million else None)
        yield _grown("scaling", "scoring episodes, images embedded before", "s", scored, count)
        yield _grown("scaling", "peak memory of evaluating episodes", "MB", [peak], count)


def _over(plan: Plan, task: str, what: str, sizes: Sequence[int]) -> Iterator[Figure]:
    """Yield the processor's seconds for one thing and the most memory, a process for each size."""
    for count in sizes:
        say(f"{what}: {count:,}")
        system = "Checking" if task == "check" else "Growing"
        setting = plan.setting(count if task == "check" else plan.sizes.images)
        with Worker(f"benchmarking.growing:{system}", setting) as worker:
            seconds = worker.ask(task, count)
            peak = worker.ask("peak_memory")
        for figure in (
            _grown("scaling", what, "s", [seconds], count, count / seconds, "per s"),
            _grown("scaling", f"peak memory: {what}", "MB", [peak], count),
        ):
            yield replace(figure, backbone="")


def _steepness(plan: Plan, measured: Sequence[Figure]) -> Figure:
    """Return how many times as long ten times as many take, by the slope over the largest sizes."""
    upper = measured[-UPPER:]
    slope = slope_of([each.size or 1 for each in upper], [each.spread.median for each in upper])
    what = f"ten times as much: {upper[0].what}, by the slope of {upper[0].size:,} and above"
    times = _grown(upper[0].section, what, "x", [10**slope], 0, slope, "slope")
    times = replace(times, size=None, backbone=upper[0].backbone)
    return replace(times, target=plan.target(10**STEEPEST, at_least=False))


def _over_images(plan: Plan, count: int) -> Iterator[Figure]:
    """Yield time and memory of embedding `count` images of a pack that holds noise."""
    if shutil.disk_usage(plan.folder).free < 2 * count * 3 * SCALED_SIDE**2:
        say(f"embedding {count:,} images: left out, the disk has too little room for them")
        return
    say(f"embedding {count:,} images")
    pack = plan.folder / f"noise-{count}.npy"
    write_noise_pack(pack, count, SCALED_SIDE)
    setting = replace(plan.setting(plan.sizes.images), faces=pack)
    with Worker("benchmarking.growth_systems:NoiseEmbedding", setting) as worker:
        worker.ask("embed", 2)
        seconds = worker.ask("embed", count)
        own = worker.ask("own_memory")
    pack.unlink()
    rate = count / seconds
    yield _grown("scaling", EMBEDDING, "s", [seconds], count, rate, "images/s")
    kept = count * plan.sizes.filters * (SCALED_SIDE // 16) ** 2 * 4 / MEGABYTE
    what = f"memory without the pack, beside the embeddings themselves: {EMBEDDING}"
    yield replace(_grown("scaling", what, "MB", [own], count), theirs=kept, rate="MB")


def _grown(
    section: str,
    what: str,
    unit: str,
    values: list[float],
    size: int,
    ours: float | None = None,
    rate: str = "",
) -> Figure:
    return Figure(
        section, what, "", unit, spread(values), backbone="conv4", ours=ours, rate=rate, size=size
    )
