"""What became of a sweep's jobs, and how they share a machine."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from omegaconf import OmegaConf

from fewshot_fer.cli import job as job_module
from fewshot_fer.cli.job import run_job
from fewshot_fer.cli.main import run_sweep
from fewshot_fer.cli.sweep import Sweep
from fewshot_fer.config import hydra as threads
from fewshot_fer.reports.sweep import end_sweep
from fewshot_fer.runs.find import UNFINISHED, read_jobs
from fewshot_fer.system.errors import Interrupted


def begin(folder: Path, number: int, **files: str) -> None:
    """Write the folder of a job that was begun, and other files."""
    own = folder / str(number)
    own.mkdir(parents=True)
    job = {"number": number, "fingerprint": "x", "overrides": [f"seed={number}"]}
    (own / "job.json").write_text(json.dumps(job))
    for name, text in files.items():
        (own / name).write_text(text)


def test_a_job_that_is_killed_from_outside_ends_in_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A launcher gives up when a process of its own dies; what is there becomes a table."""
    monkeypatch.setattr(sys, "argv", ["train"])
    begin(tmp_path, 0, DONE="x")
    begin(tmp_path, 1)

    def main() -> None:
        raise RuntimeError("a worker was\nkilled")

    assert run_sweep(Sweep(tmp_path, [], 3, in_turn=False), main, full_error=False) == 1
    seen = capsys.readouterr()
    line = "the launcher gave up: RuntimeError: a worker was killed"
    assert seen.err == f"error: {line}\n"
    assert "1 of 3 jobs done, 1 not begun" in seen.out
    table = pd.read_csv(tmp_path / "sweep.csv", keep_default_na=False)
    assert table["error"].tolist() == ["", f"{UNFINISHED}: {line}"]
    with pytest.raises(RuntimeError):
        run_sweep(Sweep(tmp_path, [], 3, in_turn=True), main, full_error=False)


def test_a_sweep_that_began_nothing_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_sweep(tmp_path / "gone", 4) == 4
    assert "none of 4 jobs was begun" in capsys.readouterr().out


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the code below believe that Hydra has started it as a job of a launcher."""

    def as_job(target: str, jobs: str = "", **launcher: object) -> None:
        job = SimpleNamespace(num=3)
        hydra_config = OmegaConf.create({"launcher": {"_target_": target, **launcher}})
        told = SimpleNamespace(
            job=job, launcher=hydra_config.launcher, overrides=SimpleNamespace(task=[], hydra=[])
        )
        for module in (job_module, threads):
            holder = SimpleNamespace(get=lambda: told, initialized=lambda: True)
            monkeypatch.setattr(module, "HydraConfig", holder)
        monkeypatch.setenv(threads.JOBS, jobs)
        monkeypatch.setenv(threads.THREADS_OF_SWEEP, "")
        monkeypatch.setattr(threads, "core_count", lambda: 16)

    return as_job


def test_a_parallel_job_that_is_interrupted_is_not_done(
    tmp_path: Path, launched: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    launched("x.JoblibLauncher")

    def job() -> None:
        raise Interrupted(15, "stopped in epoch 2")

    run_job(job, OmegaConf.create({"a": 1}), tmp_path / "3")
    assert capsys.readouterr().out == (
        "job 3: stopped in epoch 2, or type the same command again\n"
    )
    assert not (tmp_path / "3" / "DONE").exists()
    assert read_jobs(tmp_path)[0].error == UNFINISHED


@pytest.mark.parametrize(
    ("launcher", "jobs", "expected"),
    [
        ({"target": "x.JoblibLauncher", "n_jobs": -1}, "40", 1),
        ({"target": "x.JoblibLauncher", "n_jobs": -1}, "2", 8),
        ({"target": "x.JoblibLauncher", "n_jobs": -1}, "", 1),
        ({"target": "x.JoblibLauncher", "n_jobs": 4}, "12", 4),
        ({"target": "x.JoblibLauncher", "n_jobs": 4}, "3", 5),
        ({"target": "x.JoblibLauncher", "n_jobs": -9}, "12", 2),
        ({"target": "x.LocalLauncher"}, "2", 8),
        ({"target": "x.LocalLauncher"}, "40", 1),
        ({"target": "x.RayLauncher"}, "2", None),
        ({"target": "hydra.BasicLauncher"}, "2", None),
    ],
)
def test_jobs_at_once_share_the_cores(
    launched: Callable[..., None], launcher: dict[str, object], jobs: str, expected: int | None
) -> None:
    """Of 16: no more jobs run at once than a sweep has; what threads= gives is taken as it is."""
    launched(jobs=jobs, **launcher)
    assert threads.threads_per_job(None) == expected
    assert threads.threads_per_job(3) == 3


def test_jobs_have_the_threads_that_the_user_gave_openmp(
    launched: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the sweep: joblib gives OMP_NUM_THREADS to its jobs where the user did not."""
    launched("x.JoblibLauncher", "2", n_jobs=-1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.threads_per_job(None) == 8
    monkeypatch.setenv(threads.THREADS_OF_SWEEP, "3")
    assert threads.threads_per_job(None) == 3
