"""Run the commands of a user at small size and hold every table against an earlier record.

    python scripts/golden_record.py write ../record       in the older checkout: a minute or two
    python scripts/golden_record.py compare ../record     in the newer one, on the same machine
    python scripts/golden_record.py compare ../record --tolerance 1e-4

Each checkout runs its own code: take the older one with `git worktree add ../older <commit>`. All
tables must be equal to the last digit, or within the tolerance where arithmetic was changed on
purpose; seconds, paths of the checkout and names that hold a time are left out. The figures are
those of one machine and one version of torch, so the record is made, not stored. Exit code 1 if
anything differs.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

CHECKOUT = Path(__file__).resolve().parents[1]
SMALL = (
    *("paths=demo", "demo.scale=0.02", "device=cpu", "threads=1", "backbone.image_size=32"),
    *("train.epochs=2", "train.episodes_per_epoch=4", "eval.episodes=20", "test=[afew_4w5s]"),
    *("test.afew_4w5s.episodes=20",),
)
NARROW = ("backbone.filters=8",)
RECIPES = {
    "classic": (*NARROW, "train=classic", "dataset=rafdb_basic", "train.tested=last"),
    "pretrain_meta": ("backbone.image_size=84", "train.least_batches=2"),
    "composed": (*NARROW, "method=composed", "eval.k_shot=1", "train.least_batches=2"),
    "frozen": (*NARROW, "train=frozen", "train.epochs=0"),
    "classifier": (
        *NARROW,
        "method=classifier",
        "train=supervised",
        *("eval=basic_fixed5", "eval.k_shot=2", "eval.support_draws=1"),
    ),
    "feat": (*NARROW, "method=feat", "train=fast", "train.classification_weight=0.5"),
}
TESTS = {
    "methods": ("test=[compound_4w5s]", "test.compound_4w5s.episodes=20", "methods=all"),
    "fixed": ("test=[compound_fixed5,afew_fixed5]",),
    "again": ("test=[compound_4w5s]", "test.compound_4w5s.episodes=20", "threads=1"),
}
UNSTEADY = {"seconds", "seconds_total", "started", "folder", "command", "commit", "version"}
"""Columns that differ between any two runs of the same code."""


def main() -> int:
    """Return 0 where the record was written, or holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=("write", "compare"))
    parser.add_argument("record", type=Path, help="the folder of the record")
    parser.add_argument("--tolerance", type=float, default=0.0, help="of a number, absolute")
    options = parser.parse_args()
    if options.task == "write":
        options.record.mkdir(parents=True)
        run_commands(options.record)
        return 0
    with tempfile.TemporaryDirectory() as made:
        run_commands(Path(made))
        found = differences(options.record, Path(made), options.tolerance)
    print("\n".join(found) or "every table is as recorded")
    return 1 if found else 0


def run_commands(work: Path) -> None:
    """Type every command in `work`, with the code of this checkout."""
    for name, words in RECIPES.items():
        type_command(work, "train", *SMALL, *words, f"hydra.run.dir=outputs/train/{name}")
    run = "run=outputs/train/pretrain_meta"
    for name, words in TESTS.items():
        type_command(work, "test", run, *words, f"hydra.run.dir=outputs/test/{name}")
    faces = sorted((work / "cache").glob("*/RAF-DB/basic/Image/aligned/*.jpg"))[:5]
    images = f"images=[{','.join(map(str, faces))}]"
    for name, composed in (
        ("predict", ()),
        ("named", ("classes=[happily surprised,sadly angry]",)),
    ):
        words = (images, "align=false", *composed, f"hydra.run.dir=outputs/predict/{name}")
        type_command(work, "predict", run, *words)
    type_command(
        work, "check", *SMALL, "dataset=mixed", "hydra.run.dir=outputs/check", codes=(0, 1)
    )
    sweep = ("-m", "train.n_way=2,3", "seed=0,1", "hydra.sweep.dir=outputs/sweeps/ways")
    type_command(work, "train", *SMALL, *NARROW, "train=fast", *sweep)
    type_command(work, "report", "runs=[outputs]", "hydra.run.dir=outputs/report/runs")
    pair = "compare=[outputs/train/classic,outputs/train/composed]"
    type_command(work, "report", pair, "hydra.run.dir=outputs/report/pair")
    type_command(work, "export", run, "out=outputs/faces.onnx")
    ask_onnx(work / "outputs/faces.onnx", work / "outputs/onnx.csv")


def type_command(work: Path, verb: str, *words: str, codes: tuple[int, ...] = (0,)) -> None:
    """Run `python -m fewshot_fer.<verb> <words>` in `work`; what it prints is kept beside."""
    environment = os.environ | {
        "PYTHONPATH": str(CHECKOUT / "src"),
        "FEWSHOT_FER_CACHE": str(work / "cache"),
    }
    line = [sys.executable, "-m", f"fewshot_fer.{verb}", *words]
    done = subprocess.run(line, cwd=work, env=environment, capture_output=True, text=True)
    print(f"{verb} {' '.join(words)[-60:]}: {done.returncode}", flush=True)
    if done.returncode not in codes:
        raise SystemExit(f"{' '.join(line)}\n{done.stdout}\n{done.stderr}")


def ask_onnx(model: Path, table: Path) -> None:
    """Write the probabilities that an exported file gives for two made pictures."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    asked = session.get_inputs()[0]
    sides = [side if isinstance(side, int) else 2 for side in asked.shape]
    pixels = np.random.default_rng(0).integers(0, 256, sides)
    kind = np.uint8 if "uint8" in asked.type else np.float32
    answers = session.run(None, {asked.name: pixels.astype(kind)})
    pd.DataFrame(np.concatenate([a.reshape(2, -1) for a in answers], axis=1)).to_csv(table)


def differences(old: Path, new: Path, tolerance: float) -> list[str]:
    """Return a line for each table that only one side has, or that holds other values."""
    tables = {path.relative_to(old) for path in old.glob("outputs/**/*.csv")}
    found = tables ^ {path.relative_to(new) for path in new.glob("outputs/**/*.csv")}
    lines = [f"{path}: stands on one side alone" for path in sorted(found)]
    for path in sorted(tables - found):
        lines += table_differences(
            path, _table(old / path, old), _table(new / path, new), tolerance
        )
    return lines


def table_differences(
    name: Path, old: pd.DataFrame, new: pd.DataFrame, tolerance: float
) -> list[str]:
    """Return what differs between two tables: a line for the columns, or one a column."""
    if list(old) != list(new) or len(old) != len(new):
        return [f"{name}: {len(old)} rows of {list(old)}, now {len(new)} of {list(new)}"]
    lines = []
    for column in old:
        pairs = zip(old[column], new[column], strict=True)
        wrong = [(left, right) for left, right in pairs if not _alike(left, right, tolerance)]
        if wrong:
            lines.append(f"{name}: {column}: {len(wrong)} of {len(old)}, first {wrong[0]}")
    return lines


def _table(path: Path, work: Path) -> pd.DataFrame:
    text = pd.read_csv(path, dtype=str, keep_default_na=False)
    steady = text.drop(columns=[name for name in text if name in UNSTEADY])
    return steady.replace(str(work), "WORK", regex=True)


def _alike(left: str, right: str, tolerance: float) -> bool:
    try:
        return left == right or math.isclose(
            float(left), float(right), rel_tol=0.0, abs_tol=tolerance
        )
    except ValueError:
        return False


if __name__ == "__main__":
    sys.exit(main())
