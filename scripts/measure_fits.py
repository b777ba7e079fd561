"""Compare the shorter fits of baseline++ and tim with step-by-step ones, on the same episodes.

    python scripts/measure_fits.py run=outputs/train/... test=[compound_4w5s,afew_4w5s]

Prints, for each test, the accuracy step by step, as easyfsl goes, and what the strides of the
package change, episode by episode, in points with a 95 % interval; and the seconds of both.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot_fer.config.hydra import compose
from fewshot_fer.config.read import read_settings
from fewshot_fer.config.schema import TestVerb
from fewshot_fer.data.load import find_source, skipping
from fewshot_fer.episodes.setup import setup_tests
from fewshot_fer.evaluation.choose_method import other_methods
from fewshot_fer.evaluation.embedder import FewShotModel
from fewshot_fer.evaluation.metrics import NORMAL_95
from fewshot_fer.evaluation.tasks import Task, load_tasks
from fewshot_fer.models.methods import prototypes, transductive
from fewshot_fer.models.methods.method import PROTOTYPES
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.config_file import read_run_settings, with_kept_encoder
from fewshot_fer.runs.data_record import paths_of_test
from fewshot_fer.runs.load import load_model, stored_statistics
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import UserError

NAMES = ["baseline++", "tim"]
SEEDS = (0, 1)
STRIDES = prototypes.COSINE_STRIDE, transductive.TIM_STRIDE


def main() -> int:
    """Return 0 if all was measured, 2 for what the words on the command line got wrong."""
    try:
        measure(read_settings(compose("test", sys.argv[1:]), TestVerb))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(settings: TestVerb) -> None:
    """Print a line for each test and method."""
    run = Path(settings.run).expanduser()
    trained = read_run_settings(run)
    device = prepare_device(settings.device, trained.seed, threads=settings.threads)
    file = run / f"{settings.checkpoint or trained.train.tested}.pt"
    checkpoint = load_checkpoint(file, device)
    model = load_model(with_kept_encoder(trained, run), checkpoint, device, str(file))
    paths = paths_of_test(settings, trained)
    source = find_source(paths, trained.demo, skipping(settings, trained))
    tasks = load_tasks(setup_tests(settings, trained, source).tests, trained.backbone.side, device)
    side = stored_statistics(checkpoint, str(file))
    for task in tasks:
        for method in other_methods(NAMES, model, side, trained.method):
            other = model.with_method(method)
            short, seconds = timed(task, other, STRIDES)
            plain, longer = timed(task, other, (1, 1))
            changed = 100 * (short - plain)
            half = NORMAL_95 * changed.std(ddof=1) / len(changed) ** 0.5
            print(
                f"{task.protocol.title:16} {method.name:10} {100 * plain.mean():.2f} %  "
                f"{changed.mean():+.3f} ± {half:.3f}  {longer:.1f} s -> {seconds:.1f} s",
                flush=True,
            )


def timed(
    task: Task, model: FewShotModel, strides: tuple[int, int]
) -> tuple[NDArray[np.float64], float]:
    """Return the accuracy of each episode of SEEDS, and the seconds that it took."""
    prototypes.COSINE_STRIDE, transductive.TIM_STRIDE = strides
    for seed in SEEDS:  # embed what is not embedded yet
        task.evaluate(replace(model, method=PROTOTYPES), seed)
    started = time.perf_counter()
    results = [task.evaluate(model, seed).each for seed in SEEDS]
    accuracies = np.concatenate([each for each in results if each is not None])
    return accuracies, time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
