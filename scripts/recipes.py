"""Compare training recipes at equal cost: what each setting adds to the recipe it is part of.

    python scripts/recipes.py                               all parts of recipes.yaml, three seeds
    python scripts/recipes.py --part scratch --seeds 1      one part, one seed: to look around
    python scripts/recipes.py --only base,'zoom 0.1'        some of the variants
    python scripts/recipes.py paths=local paths.data=/where/the/data/lie

A fifth of the training images, whole groups of them, is held out, and choices are made on those:
the column `gain validation`. Test sets are scored too, and play no part in the choice. Cost is
counted in images that pass through the encoder; `seconds` are the processor's, of a whole command.
A gain is paired: the same episodes of the same seed, a bootstrap over seeds and groups of images.
A run that is finished is not repeated. Words that are no option go to every run.
"""

import argparse
import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.model_selection import StratifiedGroupKFold

from fewshot_fer.config.schema import DatasetConfig, DemoConfig, PathsConfig
from fewshot_fer.data.load import find_source, load_dataset
from fewshot_fer.reports.compare import pair_answers

TESTS = ("compound_4w5s", "compound_5w1s", "afew_4w5s")
IMAGES_OF_EPISODE = {"classic": 30, "fast": 50, "pretrain_meta": 50, "finetune": 50}
SUPERVISED = {"pretrain": 1.0, "pretrain_meta": 0.75, "finetune": 0.6}  # share of the passes
RESAMPLES = 4_000
PARTS: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))


@dataclass
class Variant:
    """A recipe: what it is called, its part, and the words that make it."""

    name: str
    part: str
    words: list[str]
    passes: float
    learn: float  # share of the training images that it learns from, over and over
    folders: list[Path] = field(default_factory=list)  # one a seed

    @property
    def schedule(self) -> str:
        """The last `train=` among the words."""
        return [word for word in self.words if word.startswith("train=")][-1].partition("=")[2]


def main() -> int:
    """Return 0 if every run ended well."""
    options, overrides = _options()
    outputs = Path(options.outputs).absolute()
    variants = list(_variants(options.part, options.only))
    shares = {each.learn for each in variants}
    splits = {share: _split_training(outputs, overrides, share) for share in shares}
    bases = {each.part: each for each in variants if each.name == "base"}
    jobs: dict[bool, list[tuple[Path, list[str]]]] = {True: [], False: []}
    for seed in range(options.seeds):
        for each in variants:
            folder = outputs / each.part / f"{each.name.replace(' ', '_')}-{seed}"
            each.folders.append(folder)
            base = str(bases[each.part].folders[seed])
            own = [word.replace("{base}", base) for word in each.words]
            lists, size = splits[each.learn]
            cost = _cost(each, options.images, size)
            words = [*own, *cost, *lists, *overrides, f"seed={seed}", "threads=1"]
            jobs[each.name == "base"].append((folder, words))
    codes = []
    for is_base in (True, False):  # a variant may go on from its base
        with ThreadPoolExecutor(options.jobs) as pool:
            codes += list(pool.map(lambda job: _run(*job), jobs[is_base]))
    table = pd.DataFrame(_row(each, bases[each.part]) for each in variants)
    table.to_csv(outputs / "recipes.csv", index=False)
    print(f"\n{_markdown(table)}\n\n{outputs / 'recipes.csv'}")
    return int(any(codes))


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=20_000, help="that each run trains on")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each recipe")
    parser.add_argument("--part", choices=PARTS, help="one part of recipes.yaml")
    parser.add_argument("--only", help="names of variants with commas between; `base` is the base")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    parser.add_argument("--outputs", default="outputs/recipes", help="folder for the runs")
    options, overrides = parser.parse_known_args()
    chosen = [options.part] if options.part else list(PARTS)
    known = {"base"}.union(*(PARTS[each]["variants"] for each in chosen))
    if unknown := set((options.only or "base").split(",")) - known:
        parser.error(f"--only {min(unknown)!r} is no variant of {', '.join(chosen)}")
    if not any(word.startswith("paths=") for word in overrides):
        overrides.insert(0, "paths=demo")
    return options, overrides


def _variants(part: str | None, only: str | None) -> Iterator[Variant]:
    """Yield the variants to compare, the base of a part first."""
    wanted = only.split(",") if only else None
    for name, found in PARTS.items():
        if part not in (None, name):
            continue
        learn = found.get("learn", 1.0)
        yield Variant("base", name, found["words"], 1.0, learn)
        for variant, added in found["variants"].items():
            if wanted is None or variant in wanted:
                words = [*found["words"], *added["words"]]
                yield Variant(variant, name, words, added.get("passes", 1.0), learn)


def _cost(variant: Variant, images: int, size: int) -> list[str]:
    """Return the words that make a recipe train on its images; size: of the training set."""
    images = int(images * variant.passes)
    supervised = SUPERVISED.get(variant.schedule)
    if supervised is None:
        episodes = images // IMAGES_OF_EPISODE[variant.schedule]
        short = ["train.epochs=8", f"train.episodes_per_epoch={episodes // 8}", "train.patience=0"]
        short += ["train.drop_lr_every=4", "eval.episodes=600", "train.tested=best"]
        return [*short, "train.fresh_validation=false"]  # the episodes of all others
    passes = max(2, round(images / size))
    words = [f"train.epochs={passes}", "train.least_batches=0"]  # a pass goes through them once
    if supervised == 1:
        return words
    whole = max(1, round(supervised * passes))
    left = (images - whole * size) // IMAGES_OF_EPISODE[variant.schedule]
    per_epoch = max(1, left // max(1, passes - whole))
    return [*words, f"train.supervised_epochs={whole}", f"train.episodes_per_epoch={per_epoch}"]


def _run(folder: Path, words: list[str]) -> int:
    """Train into a folder, or go on there, unless it is finished; return the exit code."""
    if (folder / "summary.json").is_file():
        return 0
    command = [sys.executable, "-m", "fewshot_fer.train"]
    if (folder / "last.pt").is_file():
        command.append(f"resume={folder}")
    else:
        command += [*words, f"hydra.run.dir={folder}", f"test=[{','.join(TESTS)}]"]
    folder.mkdir(parents=True, exist_ok=True)
    log, times = folder.parent / f"{folder.name}.log", _times(folder)
    with log.open("a", encoding="utf-8") as screen:
        process = subprocess.Popen(command, stdout=screen, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    with times.open("a", encoding="utf-8") as file:  # one line for each start
        file.write(f"{usage.ru_utime + usage.ru_stime:.1f}\n")
    print(f"{folder.parent.name}/{folder.name}: " + (f"failed, see {log}" if code else "done"))
    return code


def _split_training(outputs: Path, overrides: list[str], share: float) -> tuple[list[str], int]:
    """Write lists to learn from and to validate with, no group in both; return the words that name
    them, and the number of images to learn from: a share of what is not held out."""
    given = dict(word.split("=", 1) for word in overrides if "=" in word)
    demo = given.get("paths") == "demo"
    paths = PathsConfig(data=given.get("paths.data"), demo=demo)
    scale = DemoConfig(float(given.get("demo.scale", 1)), int(given.get("demo.seed", 0)))
    table = load_dataset(DatasetConfig("rafdb_basic", "train"), find_source(paths, scale))
    held_out = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    learn, validate = next(held_out.split(table, table["label"], table["group"]))
    if share < 1:
        left = table.iloc[learn]
        few = StratifiedGroupKFold(round(1 / share), shuffle=True, random_state=0)
        learn = learn[next(few.split(left, left["label"], left["group"]))[1]]
    outputs.mkdir(parents=True, exist_ok=True)
    learnt = "learn" if share == 1 else f"learn-{share}"
    for name, rows in ((learnt, learn), ("validate", validate)):
        listed = table.iloc[rows][["path", "label", "group"]]
        listed.to_csv(outputs / f"{name}.csv", index=False, quoting=csv.QUOTE_ALL)
    words = [
        *("dataset=csv", f"dataset.file={outputs / learnt}.csv", "dataset.root=/"),
        *("eval=basic_7w1s", "eval.k_shot=5", "eval.dataset.adapter=csv"),
        *("eval.dataset.split=all", f"+eval.dataset.file={outputs / 'validate.csv'}"),
        "eval.dataset.root=/",
    ]
    return words, len(learn)


def _row(variant: Variant, base: Variant) -> dict[str, str | float]:
    """Return a line of the table: means over the seeds in percent, and the gain over the base."""
    row: dict[str, str | float] = {"part": variant.part, "recipe": variant.name}
    pairs = list(zip(variant.folders, base.folders, strict=True))
    done = [pair for pair in pairs if all((each / "summary.json").is_file() for each in pair)]
    row["seeds"] = len(done)
    if not done:
        return row
    seconds = [sum(map(float, _times(own).read_text().split())) for own, _ in done]
    results = pd.concat(pd.read_csv(own / "results.csv") for own, _ in done)
    results = results[results["role"].isin(["validation", "test"]) & (results["level"] == "image")]
    named = results["role"].where(results["role"] == "validation", results["protocol"])
    row |= {"seconds": round(float(np.mean(seconds)))}
    learnt = [pd.read_csv(own / "metrics.csv")["train_accuracy"].max() for own, _ in done]
    row["training"] = round(100 * float(np.mean(learnt)))  # of its best epoch
    for column, accuracy in results.groupby(named, sort=False)["accuracy"].mean().items():
        row[str(column)] = round(100 * float(accuracy), 1)
        if variant is not base:
            row[f"gain {column}"] = _gain(done, str(column))
    return row


def _times(folder: Path) -> Path:
    """Return the file of the seconds that a run's starts took; a recipe's name may have dots."""
    return folder.parent / f"{folder.name}.seconds"


def _gain(pairs: list[tuple[Path, Path]], evaluation: str) -> str:
    """Return the gain of the first of each pair of runs over the second, in points, with its 95 %
    interval: seeds and groups are both drawn with replacement, as both are a sample."""
    tables = []
    for seed, (own, base) in enumerate(pairs):
        paired = pair_answers(_answers(base, evaluation), _answers(own, evaluation))
        paired["gained"] = paired["other"] - paired["correct"]
        tables.append(paired.groupby("group")[["gained", "asked"]].sum().assign(seed=seed))
    cells = pd.concat(tables).pivot_table(index="seed", columns="group", fill_value=0)
    gains, counts = cells["gained"].to_numpy(), cells["asked"].to_numpy()
    random = np.random.default_rng(0)
    seeds, groups = len(gains), len(gains.T)
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES)
    of_groups = random.multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)
    gained, asked = (((of_seeds @ of) * of_groups).sum(axis=1) for of in (gains, counts))
    low, high = 100 * np.quantile(gained / asked, [0.025, 0.975])
    return f"{100 * gains.sum() / counts.sum():+.1f} ({low:+.1f}..{high:+.1f})"


def _answers(run: Path, evaluation: str) -> pd.DataFrame:
    """Return a run's answers of its validation or of a test, by image."""
    table = pd.read_csv(run / "answers.csv")
    column = "role" if evaluation == "validation" else "protocol"
    return table[(table[column] == evaluation) & (table["level"] == "image")]


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [["" if value != value else str(value) for value in row] for row in table.to_numpy()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
