"""Run a sweep of `train` as its command does, and write what of its processor time went where.

    python scripts/benchmarking/timed_sweep.py FILE <words of train, with -m>

FILE gets JSON: seconds until all is imported, of each job's start, of its own work, and of all. A
start is everything between the work of two jobs: composing and checking settings, the data set, the
pack, the run's folder. The work is training, validation, tests, tables and pictures.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import fewshot_fer.training.launch  # noqa: F401 - what a job imports
from fewshot_fer.cli import main as command_line
from fewshot_fer.train import main as train
from fewshot_fer.training.loop import TrainingRun


def main(file: Path, words: list[str]) -> None:
    """Run the sweep; marks are set where training begins and where a job has ended."""
    imported = done = time.process_time()
    starts: list[float] = []
    works: list[float] = []
    fit, run_job = TrainingRun.fit, command_line.run_job  # type: ignore[attr-defined]

    def marked_fit(self: TrainingRun) -> None:
        starts.append(time.process_time() - done)
        fit(self)

    def marked_job(*given: Any) -> None:  # noqa: ANN401 - handed on as it comes
        nonlocal done
        run_job(*given)
        works.append(time.process_time() - done - starts[-1])
        done = time.process_time()

    setattr(TrainingRun, "fit", marked_fit)  # noqa: B010 - measured from outside
    setattr(command_line, "run_job", marked_job)  # noqa: B010
    sys.argv = ["train", *words]
    try:
        train()
    except SystemExit as ended:
        if ended.code:
            raise
    times = {"imported": imported, "starts": starts, "works": works, "all": time.process_time()}
    file.write_text(json.dumps(times), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
