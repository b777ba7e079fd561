"""Compare training recipes at equal cost, and what each setting of the best one contributes.

    python scripts/recipes.py                            on the embedded data, about an hour
    python scripts/recipes.py --only recipes --seeds 1   the recipes alone, a few minutes
    python scripts/recipes.py paths=local paths.data=/where/the/data/lie

A fifth of the training images, whole groups of them, is held out: choices are made on those. Test
sets are scored too, and play no part in the choice. Cost is counted in images that pass through the
encoder. A run that is finished is not repeated. Words that are no option go to every run.
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from fewshot_fer.config.schema import DatasetConfig, DemoConfig, PathsConfig
from fewshot_fer.data.load import find_source, load_dataset

TESTS = ("compound_4w5s", "compound_5w1s", "afew_4w5s")
EPISODES = {"classic": 30, "fast": 50}  # recipe -> images of an episode
RECIPES = {
    "pretrain": ["train=pretrain"],
    "pretrain_meta": ["train=pretrain_meta"],
    "classic": ["train=classic"],
    "fast": ["train=fast"],
}
ABLATION = {
    "method.normalise=none": ["train=pretrain", "method.normalise=none"],
    "method.normalise=l2": ["train=pretrain", "method.normalise=l2"],
    "no label smoothing": ["train=pretrain", "train.label_smoothing=0"],
    "train.class_weights=none": ["train=pretrain", "train.class_weights=none"],
    "train.class_weights=inverse": ["train=pretrain", "train.class_weights=inverse"],
    "no augmentation": ["train=pretrain", "train.augment.flip=0", "train.augment.crop=0"],
    "strong augmentation": ["train=pretrain", "train.augment.zoom=0.1", "train.augment.colour=0.3"],
    "train.average=0.99": ["train=pretrain", "train.average=0.99"],
    "episodes and classification": ["train=fast", "train.classification_weight=1"],
}


def main() -> int:
    """Return 0 if every run ended well."""
    options, overrides = _options()
    outputs = Path(options.outputs).absolute()
    lists = _split_training(outputs, overrides)
    runs: dict[str, list[Path]] = {}
    for name, seed, words in _jobs(options):
        folder = outputs / "runs" / f"{name.replace(' ', '_').replace('=', '-')}-{seed}"
        runs.setdefault(name, []).append(folder)
        if (folder / "summary.json").is_file():
            continue
        print(f"\n=== {name}, seed {seed}", flush=True)
        command = [sys.executable, "-m", "fewshot_fer.train", *words, *lists, *overrides]
        command += [f"seed={seed}", f"hydra.run.dir={folder}", f"test=[{','.join(TESTS)}]"]
        if (folder / "last.pt").is_file():
            command = [sys.executable, "-m", "fewshot_fer.train", f"resume={folder}"]
        if subprocess.run(command, check=False).returncode:
            return 1
    table = pd.DataFrame(_row(name, folders) for name, folders in runs.items())
    table.to_csv(outputs / "recipes.csv", index=False)
    print(f"\n{_markdown(table)}\n\n{outputs / 'recipes.csv'}")
    return 0


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=30_000, help="that each run trains on")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each recipe")
    parser.add_argument("--only", choices=("recipes", "ablation"), help="a part of the table")
    parser.add_argument("--outputs", default="outputs/recipes", help="folder for the runs")
    options, overrides = parser.parse_known_args()
    if not any(word.startswith("paths=") for word in overrides):
        overrides.insert(0, "paths=demo")
    return options, overrides


def _jobs(options: argparse.Namespace) -> Iterator[tuple[str, int, list[str]]]:
    """Yield name, seed and words of each run, one seed after the other."""
    recipes = RECIPES | ABLATION
    if options.only == "recipes":
        recipes = RECIPES
    elif options.only == "ablation":
        recipes = {"pretrain": RECIPES["pretrain"], **ABLATION}
    size = len(pd.read_csv(Path(options.outputs) / "learn.csv"))
    for seed in range(options.seeds):
        for name, words in recipes.items():
            yield name, seed, [*words, *_cost(words[0].partition("=")[2], options.images, size)]


def _cost(recipe: str, images: int, size: int) -> list[str]:
    """Return the words that make a recipe train on so many images; size: of the training set."""
    if recipe in EPISODES:
        episodes = images // EPISODES[recipe]
        short = ["train.epochs=8", f"train.episodes_per_epoch={episodes // 8}", "train.patience=0"]
        return [*short, "train.drop_lr_every=4", "eval.episodes=600", "train.tested=best"]
    passes = max(2, round(images / size))
    once = "train.least_batches=0"  # each pass goes through the images once
    if recipe == "pretrain":
        return [f"train.epochs={passes}", once]
    supervised = round(0.75 * passes)
    per_epoch = max(1, (images - supervised * size) // 50 // max(1, passes - supervised))
    return [
        f"train.epochs={passes}",
        once,
        f"train.supervised_epochs={supervised}",
        f"train.episodes_per_epoch={per_epoch}",
    ]


def _split_training(outputs: Path, overrides: list[str]) -> list[str]:
    """Write learn.csv and validate.csv, no group in both; return the words that name them."""
    given = dict(word.split("=", 1) for word in overrides if "=" in word)
    demo = given.get("paths") == "demo"
    paths = PathsConfig(data=given.get("paths.data"), demo=demo)
    scale = DemoConfig(float(given.get("demo.scale", 1)), int(given.get("demo.seed", 0)))
    table = load_dataset(DatasetConfig("rafdb_basic", "train"), find_source(paths, scale))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    learn, validate = next(folds.split(table, table["label"], table["group"]))
    outputs.mkdir(parents=True, exist_ok=True)
    for name, rows in (("learn", learn), ("validate", validate)):
        listed = table.iloc[rows][["path", "label", "group"]]
        listed.to_csv(outputs / f"{name}.csv", index=False, quoting=csv.QUOTE_ALL)
    return [
        *("dataset=csv", f"dataset.file={outputs / 'learn.csv'}", "dataset.root=/"),
        *("eval=basic_7w1s", "eval.k_shot=5", "eval.dataset.adapter=csv"),
        *("eval.dataset.split=all", f"+eval.dataset.file={outputs / 'validate.csv'}"),
        "eval.dataset.root=/",
    ]


def _row(name: str, folders: list[Path]) -> dict[str, str | float]:
    """Return the means over seeds of validation and tests, in percent."""
    row: dict[str, str | float] = {"recipe": name, "seeds": len(folders)}
    tables = [pd.read_csv(folder / "results.csv") for folder in folders]
    every = pd.concat(tables)
    every = every[every["role"].isin(["validation", "test"]) & (every["level"] == "image")]
    named = every["role"].where(every["role"] == "validation", every["protocol"])
    for column, accuracy in every.groupby(named, sort=False)["accuracy"].mean().items():
        row[str(column)] = round(100 * float(accuracy), 1)
    return row


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [[str(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
