"""Run the study's seven experiments one after the other and print its table beside ours.

    python scripts/study.py                                 on the embedded data, two epochs each
    python scripts/study.py --epochs 500 paths=local paths.data=/where/the/data/lie

Words that are no option go to every run. An experiment that fails does not stop the others.
"""

import argparse
import sys
from pathlib import Path

import fewshot_fer as ff
from fewshot_fer.config.conf_files import conf_dir
from fewshot_fer.system.errors import UserError

# The groups of each experiment that have a fixed support.
FIXED = {"study_5": ("eval", "test"), "study_6": ("test",), "study_7": ("test",)}


def main() -> int:
    """Return 0 if all seven ran."""
    options, overrides = _options()
    outputs = Path(options.outputs)
    failed = []
    for preset in sorted((conf_dir() / "experiment").glob("study_*.yaml")):
        print(f"\n=== {preset.stem}", flush=True)
        words = [f"experiment={preset.stem}", *_small(preset.stem[:7], options), *overrides]
        try:
            ff.train(*words, f"paths.outputs={outputs}")
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            failed.append(preset.stem)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    try:
        print(ff.report(f"study={outputs}", f"outputs={outputs}").text)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(bool(failed))


def _options() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=2, help="of each experiment (500)")
    parser.add_argument("--shots", type=int, default=50, help="fixed support, images a class (50)")
    parser.add_argument("--outputs", default="outputs/study", help="folder for the runs")
    options, overrides = parser.parse_known_args()
    if not any(word.startswith("paths=") for word in overrides):
        overrides.insert(0, "paths=demo")
    return options, overrides


def _small(study: str, options: argparse.Namespace) -> list[str]:
    """Return the words that shorten an experiment; few epochs of row 5 need no download."""
    words = [f"train.epochs={options.epochs}"]
    words += [f"{group}.k_shot={options.shots}" for group in FIXED.get(study, ())]
    if study == "study_5" and options.epochs < 10:
        words += ["backbone.weights=none", "backbone.image_size=64"]
    return words


if __name__ == "__main__":
    sys.exit(main())
