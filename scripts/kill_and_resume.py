"""Kill a training run at random moments and resume it: every one must end bit for bit alike.

    python scripts/kill_and_resume.py               50 runs, some ten minutes on two cores
    python scripts/kill_and_resume.py --times 4 --seed 7

Each run gets SIGKILL at moments drawn over the length of an undisturbed one (start-up, packing,
epochs, checkpoints, the end), up to three times, and is resumed after each. Compared are
metrics.csv without its seconds, all other tables, and all that best.pt and last.pt hold: weights of
encoder, head and method, the optimiser's state, the training side, support and calibration. A run
that ended before it could be killed does not count. Exit code 1 if any differs. On the embedded
data set, in a temporary folder.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from comparing_runs import differences

WORDS = (
    *("paths=demo", "demo.scale=0.05", "backbone.filters=8", "backbone.image_size=32"),
    *("train.epochs=4", "train.episodes_per_epoch=40", "train.augment.flip=0.5", "device=cpu"),
    *("train.k_shot=2", "eval.episodes=20", "test=[basic_7w1s]", "test.episodes=20", "threads=1"),
)
RECIPES = {
    "episodes": ("train.n_way=3",),
    "pretrain": ("train=pretrain", "train.average=0.9", "train.batch_size=16"),
    "feat": ("method=feat", "train.n_way=3", "train.classification_weight=0.5"),
}


def main() -> int:
    """Return 0 where all runs ended alike."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=50, help="runs to disturb")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    moments = random.Random(options.seed)
    wrong = 0
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        _run(base / "first", "episodes")  # draws the data set, so that no run is timed with it
        whole = {recipe: _undisturbed(base, recipe) for recipe in RECIPES}
        for number in range(options.times):
            recipe = list(RECIPES)[number % len(RECIPES)]
            folder, seconds = whole[recipe]
            kills: list[float] = []
            while not kills:
                shutil.rmtree(base / str(number), ignore_errors=True)
                kills = _disturbed(base, number, recipe, seconds, moments)
            differ = differences(folder, base / str(number) / "run")
            wrong += bool(differ)
            told = ", ".join(f"{moment:.2f} s" for moment in kills)
            print(f"{'BAD' if differ else 'ok '} {recipe}, killed at {told} {differ}", flush=True)
    print(f"{options.times} runs, {wrong} ended otherwise")
    return 1 if wrong else 0


def _command(folder: Path, recipe: str) -> list[str]:
    run = ["hydra.run.dir=run", *RECIPES[recipe]]
    words = [*WORDS, *run]
    if (folder / "run/config.yaml").exists():
        words = ["resume=run"]
    return [sys.executable, "-m", "fewshot_fer.train", *words]


def _start(folder: Path, recipe: str) -> subprocess.Popen[bytes]:
    cache = folder.parent / "cache"
    if not folder.exists():  # packs anew for every run, so that packing too is broken off
        folder.mkdir(parents=True)
        shutil.rmtree(cache / "packs", ignore_errors=True)
    return subprocess.Popen(
        _command(folder, recipe),
        cwd=folder,
        env=os.environ | {"FEWSHOT_FER_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _run(folder: Path, recipe: str) -> None:
    process = _start(folder, recipe)
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run that nobody disturbed failed: {told.decode()}")


def _undisturbed(base: Path, recipe: str) -> tuple[Path, float]:
    started = time.perf_counter()
    _run(base / f"whole {recipe}", recipe)
    return base / f"whole {recipe}" / "run", time.perf_counter() - started


def _disturbed(
    base: Path, number: int, recipe: str, seconds: float, moments: random.Random
) -> list[float]:
    """Kill one to three times, then let it end; return the moments, in seconds after a start."""
    folder, kills = base / str(number), []
    for _ in range(moments.randint(1, 3)):
        process = _start(folder, recipe)
        moment = moments.uniform(0.0, seconds)
        try:
            process.communicate(timeout=moment)
            break  # the end came first
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills.append(moment)
    if not (folder / "run/summary.json").exists():
        _run(folder, recipe)
    return kills


if __name__ == "__main__":
    sys.exit(main())
