"""Disturb a sweep in every way that should not matter; its table must stay the same to the byte.

    python scripts/try_sweep.py                          12 jobs each, some minutes on two cores
    python scripts/try_sweep.py --only killed,joblib     a choice

killed   the command gets SIGKILL in the middle and is typed again
joblib   two jobs at once; ray: the same on a local Ray
worker   one of joblib's processes gets SIGKILL, as for want of memory: the command must end by
         itself, in one line, with a row for the broken job and code 1; then it is typed again
submitit_local   as for Slurm, without it; only where it is named, since all 12 run at once

Compared with sweep.csv and sweep_mean.csv of a sweep that nobody disturbs. Exit code 1 if any
differs. On the embedded data set, in a temporary folder.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

WORDS = (
    *("train=fast", "paths=demo", "demo.scale=0.05"),
    *("backbone.filters=8", "backbone.image_size=32"),
    *("train.epochs=3", "train.episodes_per_epoch=20", "train.n_query=2", "device=cpu"),
    *("eval.episodes=20", "test=afew_4w5s", "test.afew_4w5s.k_shot=1", "threads=1"),
    *("test.afew_4w5s.episodes=20", "-m", "train.n_way=2,3", "train.k_shot=1,2", "seed=0,1,2"),
)
JOBS, MIDDLE = 12, 5
LAUNCHERS = {
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "ray": ("hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"),
    "submitit_local": ("hydra/launcher=submitit_local",),
}
TABLES = ("sweep.csv", "sweep_mean.csv")
LONGEST = 1200  # seconds of a sweep
_seconds: dict[Path, float] = {}  # spent on the sweeps of a folder


def main() -> int:
    """Return 0 where all sweeps ended alike."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ways: dict[str, Callable[[Path], str]] = {"killed": kill_the_command}
    ways |= {name: launched_by(*words) for name, words in LAUNCHERS.items()}
    ways["worker"] = kill_a_worker
    usual = ",".join(name for name in ways if name != "submitit_local")
    parser.add_argument("--only", default=usual, help="comma-separated, as above")
    chosen = [name for name in parser.parse_args().only.split(",") if name]
    if unknown := set(chosen) - set(ways):
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        wrong = compare({name: ways[name] for name in chosen}, Path(made))
    print(f"{len(chosen)} sweeps, {wrong} ended otherwise")
    return 1 if wrong else 0


def compare(ways: dict[str, Callable[[Path], str]], base: Path) -> int:
    """Run an undisturbed sweep and the others; return how many of them ended otherwise."""
    wrong, whole = 0, base / "whole"
    _run(whole)
    _print("ok", "nobody disturbs it", f"{JOBS} jobs", whole)
    for name, disturb in ways.items():
        outcome = disturb(base / name)
        found = outcome if outcome.startswith("BAD") else differences(whole, base / name)
        wrong += bool(found)
        _print("BAD" if found else "ok", name, found or outcome, base / name)
    return wrong


def _print(sign: str, name: str, outcome: str, folder: Path) -> None:
    print(f"{sign:<4}{name}: {outcome} ({_seconds.get(folder, 0):.0f} s)", flush=True)


def _start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "fewshot_fer.train", *WORDS, *words],
        cwd=folder,
        env=os.environ | {"FEWSHOT_FER_CACHE": str(folder.parent / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _run(folder: Path, *words: str) -> str:
    """Run a sweep to its end and return what it prints. Raises SystemExit where it fails."""
    started = time.perf_counter()
    process = _start(folder, *words)
    out, err = process.communicate(timeout=LONGEST)
    _seconds[folder] = _seconds.get(folder, 0) + time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{folder.name} ended with {process.returncode}: {out[-2000:]}{err}")
    return out


def launched_by(*words: str) -> Callable[[Path], str]:
    """Return what runs a sweep through a launcher."""

    def run(folder: Path) -> str:
        _run(folder, *words)
        return "the same table"

    return run


def kill_the_command(folder: Path) -> str:
    """Kill the whole command within job MIDDLE, and type it again."""
    process = _start(folder)
    if not _wait_for(process, lambda: _jobs(folder, f"{MIDDLE}/last.pt")):
        return "BAD it was over before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done = _jobs(folder, "*/DONE")
    if _jobs(folder, "sweep.csv"):
        return "BAD it was over before it could be killed"
    again = _run(folder).count("done before")
    if again != done:
        return f"BAD {done} jobs were done, {again} were skipped"
    return f"the same table, {done} of {JOBS} jobs were skipped when it was typed again"


def kill_a_worker(folder: Path) -> str:
    """Kill a process of joblib's, see how the command ends, and type it again."""
    process = _start(folder, *LAUNCHERS["joblib"])
    if not _wait_for(process, lambda: _jobs(folder, f"{MIDDLE}/last.pt")):
        return "BAD it was over before it could be disturbed"
    os.kill(_worker_of(process.pid), signal.SIGKILL)
    _, err = process.communicate(timeout=LONGEST)
    lines = [line for line in err.splitlines() if line.startswith("error: ")]
    if process.returncode != 1 or len(lines) != 1 or "Traceback" in err:
        return f"BAD it ended with {process.returncode}: {err[-2000:]}"
    (table,) = folder.glob("outputs/sweeps/*/sweep.csv")
    broken = pd.read_csv(table, keep_default_na=False)["error"].str.contains("gave up").sum()
    _run(folder, *LAUNCHERS["joblib"])
    if not broken:
        return "BAD no row names the broken job"
    return f"the same table once typed again; before it {broken} rows said: {lines[0][:90]}..."


def _wait_for(process: "subprocess.Popen[str]", come: Callable[[], int]) -> bool:
    while process.poll() is None:
        if come():
            return True
        time.sleep(0.02)
    return False


def _jobs(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(f"outputs/sweeps/*/{pattern}")))


def _worker_of(parent: int) -> int:
    """Return the process of joblib's that has computed most. Linux only."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_text()
        except OSError:  # over in the meantime
            continue
        if int(fields[1]) == parent and "LokyProcess" in command:
            found.append((int(fields[11]), int(status.parent.name)))
    return max(found)[1]


def differences(one: Path, other: Path) -> str:
    """Return which tables of two sweeps differ, and in what; nothing where none does."""
    found = []
    for name in TABLES:
        files = [next(folder.glob(f"outputs/sweeps/*/{name}"), None) for folder in (one, other)]
        if None in files or len({file.parent.name for file in files if file}) != 1:
            found.append(f"{name} is not in the same folder")
            continue
        texts = [file.read_bytes() for file in files if file]
        if texts[0] != texts[1]:
            tables = [pd.read_csv(file, dtype=str, keep_default_na=False) for file in files if file]
            same = list(tables[0]) == list(tables[1]) and len(tables[0]) == len(tables[1])
            columns = [str(c) for c in tables[0] if same and not tables[0][c].equals(tables[1][c])]
            found.append(f"{name}: {', '.join(columns) or 'other rows or columns'}")
    return "; ".join(found)


if __name__ == "__main__":
    sys.exit(main())
