"""How time and memory grow with episodes and images."""

import shutil
from collections.abc import Iterator
from dataclasses import replace

from benchmarking.alternating import spread
from benchmarking.faces import write_noise_pack
from benchmarking.plan import EASYFSL, OURS, Plan, say, workers
from benchmarking.result import Figure
from benchmarking.setting import TRAINING
from benchmarking.worker import MEGABYTE, Worker

MEMORY_EPISODES = 10  # training episodes after which the peak is reached


def scaling(plan: Plan) -> Iterator[Figure]:
    """Yield evaluation over episodes, and embedding over images, each in a fresh process."""
    yield from _over_episodes(plan)
    for count in plan.sizes.scaled_images:
        yield from _over_images(plan, count)


def packing(plan: Plan) -> Iterator[Figure]:
    """Yield the time to pack pictures, and to find the pack again."""
    for count in plan.sizes.packed_images:
        say(f"packing {count:,} images")
        with Worker("benchmarking.growth_systems:Packing", plan.setting(count)) as worker:
            packed = [worker.ask("pack", number) for number in range(plan.sizes.long_turns)]
            opened = [worker.ask("open", number) for number in range(plan.sizes.long_turns)]
        rate = count / spread(packed).median
        yield _grown("packing", "packing", "s", packed, count, rate, "images/s")
        yield _grown("packing", "opening a pack", "ms", [1e3 * each for each in opened], count)


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


def _over_images(plan: Plan, count: int) -> Iterator[Figure]:
    """Yield time and memory of embedding `count` images of a pack that holds noise."""
    side = plan.sizes.image_size
    if shutil.disk_usage(plan.folder).free < 2 * count * 3 * side**2:
        say(f"embedding {count:,} images: left out, the disk has too little room for them")
        return
    say(f"embedding {count:,} images")
    pack = plan.folder / f"noise-{count}.npy"
    write_noise_pack(pack, count, side)
    setting = replace(plan.setting(plan.sizes.images), faces=pack)
    with Worker("benchmarking.growth_systems:NoiseEmbedding", setting) as worker:
        worker.ask("embed", 2)
        seconds = worker.ask("embed", count)
        own = worker.ask("own_memory")
    pack.unlink()
    rate = count / seconds
    yield _grown("scaling", "embedding images", "s", [seconds], count, rate, "images/s")
    kept = count * plan.sizes.filters * (side // 16) ** 2 * 4 / MEGABYTE
    what = "memory of embedding images, pack not counted, beside the embeddings themselves"
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
