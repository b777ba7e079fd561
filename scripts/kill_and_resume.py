"""Kill training runs at random moments and resume them: each must end as one that was not killed.

    python scripts/kill_and_resume.py               50 runs, some ten minutes on two cores
    python scripts/kill_and_resume.py --times 4 --seed 7

Each run gets SIGKILL at moments drawn over the length of an undisturbed one (settings, packing,
epochs, checkpoints, the end; imports are done before), up to three times, and is resumed after
each. A run that ends before it can be killed is made anew. Compared, bit for bit, are metrics.csv
without its seconds, all other tables, and all that best.pt and last.pt hold. Exit code 1 if any
differs. On the embedded data set, in a temporary folder.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from comparing_runs import differences
from warm_processes import start_warm, type_words

from fewshot_fer.data.cache_folder import cache_folder
from fewshot_fer.data.demo import ensure_demo

SCALE = 0.1
SCREEN = "screen.txt"  # beside a run's folder
WORDS = (
    *("paths=demo", f"demo.scale={SCALE}", "backbone.filters=8", "backbone.image_size=32"),
    *("train.epochs=4", "train.episodes_per_epoch=40", "train.augment.flip=0.5", "device=cpu"),
    *("train.k_shot=2", "eval.episodes=20", "test=[basic_7w1s]", "test.episodes=20", "threads=1"),
)
RECIPES = {
    "episodes": ("train.n_way=3",),
    "pretrain": ("train=pretrain", "train.average=0.9", "train.batch_size=16"),
    "feat": ("method=feat", "train.n_way=3", "train.classification_weight=0.5"),
}


def main() -> int:
    """Return 0 if all runs ended alike."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50, help="runs to disturb")
    parser.add_argument("--seed", type=int, default=0, help="of the moments drawn")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    n_differing = 0
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        drawn = ensure_demo(cache_folder(), SCALE)  # so that no run is timed with it
        shutil.copytree(drawn, base / "cache" / drawn.name)
        whole = {recipe: _undisturbed(base, recipe) for recipe in RECIPES}
        for number in range(options.times):
            recipe = list(RECIPES)[number % len(RECIPES)]
            folder, seconds = whole[recipe]
            kills: list[float] = []
            while not kills:
                shutil.rmtree(base / str(number), ignore_errors=True)
                kills = _disturbed(base / str(number), recipe, seconds, moments)
            differ = differences(folder, base / str(number) / "run")
            n_differing += bool(differ)
            at = ", ".join(f"{moment:.2f} s" for moment in kills)
            print(f"{'BAD' if differ else 'ok '} {recipe}, killed at {at} {differ}", flush=True)
    print(f"{options.times} runs, {n_differing} ended otherwise")
    return 1 if n_differing else 0


def _undisturbed(base: Path, recipe: str) -> tuple[Path, float]:
    """Return the folder of a whole run, and how many seconds it took."""
    started = time.perf_counter()
    _run(base / f"whole {recipe}", recipe)
    return base / f"whole {recipe}" / "run", time.perf_counter() - started


def _disturbed(folder: Path, recipe: str, seconds: float, moments: random.Random) -> list[float]:
    """Kill one to three times, then let it end; return the moments, in seconds after a start."""
    kills = []
    for _ in range(moments.randint(1, 3)):
        process = _start(folder, recipe)
        moment = moments.uniform(0.0, seconds)
        process.join(moment)
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            break  # the end came first
        kills.append(moment)
    if not (folder / "run/summary.json").exists():
        _run(folder, recipe)
    return kills


def _run(folder: Path, recipe: str) -> None:
    process = _start(folder, recipe)
    process.join()
    if process.exitcode:
        screen = (folder / SCREEN).read_text(encoding="utf-8")
        raise SystemExit(f"a run that was not disturbed failed: {screen}")


def _start(folder: Path, recipe: str) -> ForkServerProcess:
    """Start a run, or go on with the one that is there."""
    cache = folder.parent / "cache"
    if not folder.exists():  # packs anew for every run, so that packing too is broken off
        folder.mkdir(parents=True)
        shutil.rmtree(cache / "packs", ignore_errors=True)
    words = [*WORDS, "hydra.run.dir=run", *RECIPES[recipe]]
    if (folder / "run/config.yaml").exists():
        words = ["resume=run"]
    variables = os.environ | {"FEWSHOT_FER_CACHE": str(cache)}
    return start_warm(type_words, ("train", *words), folder, variables, SCREEN)


if __name__ == "__main__":
    sys.exit(main())
