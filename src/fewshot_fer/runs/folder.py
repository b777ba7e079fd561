"""The folder of a run: its tables, its configuration and its summary, as they reach the disk.

metrics.csv   one row an epoch: epoch, lr, train_loss, train_accuracy, val_loss, val_accuracy,
              val_ci95 (half of the 95 % interval), seconds (of the epoch, validation included)
results.csv   one row a figure, columns in RESULT_COLUMNS
summary.json  the results with the configuration's fingerprint, versions, seed and seconds
config.yaml   the configuration, resolved
Accuracies are fractions 0..1. Rows are written and flushed one by one, so a run that dies keeps
what it had.
"""

import json
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from fewshot_fer import __version__
from fewshot_fer.config.schema import fingerprint
from fewshot_fer.runs.plots import EventFiles
from fewshot_fer.runs.screen_table import result_lines, results_table
from fewshot_fer.system.errors import RunError
from fewshot_fer.system.files import Row, append_row, atomic, write_text
from fewshot_fer.system.locks import LOCK, OWNER

METRIC_COLUMNS = (
    *("epoch", "lr", "train_loss", "train_accuracy"),
    *("val_loss", "val_accuracy", "val_ci95", "seconds"),
)
RESULT_COLUMNS = (
    "role",  # train, validation or test
    "dataset",
    "protocol",  # data set and shape in short, compound_4w5s for one
    "n_way",
    "k_shot",
    "n_query",
    "episodes",
    "disjoint",  # what support and query do not share: group (clip, subject) or image alone
    "accuracy",
    "ci95_low",  # normal interval over episodes, as if each were independent
    "ci95_high",
    "uar",  # mean recall over the classes
    "loss",
    "chance",
    "n_images",  # images that episodes are drawn from
    "n_groups",  # clips, subjects or, without either, images
    "epoch",  # of the weights that were scored
    "group_ci95_low",  # bootstrap over the distinct groups: clips, subjects or images
    "group_ci95_high",
    "level",  # of a prediction: image, frame, clip, or clip_complete: lost clips count as errors;
    # clip_vote: of clips in episodes, by votes of their frames
    "macro_f1",
    "deviation",  # of the accuracy over draws of a fixed support
    "majority",  # what always giving the commonest class would score
    "method",  # protonet, classifier, ...
    "episodes_id",  # equal for the very same episodes, or support and queries
    "trained_on_test",  # whether test images of any data set were in the training set
    "uses",  # what the method uses beside the support: nothing, names of the parts, a teacher, ...
    "pretrained",  # what the encoder knew before training: none, imagenet, faces, expressions; or
    # what its teacher's did: faces (teacher)
    "warnings",  # what the quick check found: shared_images:12 stand in two roles, shared_groups:3
    "n_left_out",  # of n_query x episodes: the query's group or picture is in the draw's support
    "images_id",  # equal for pictures of the same content: of the queries, then of a fixed support
    "unit",  # what n_way, k_shot and n_query count: image or clip
    "pooling",  # how frames decide a clip: mean or attention of embeddings, or how they vote
    "gain",  # of clip_vote: over the accuracy of level clip on the same episodes
    "gain_low",  # its paired 95 % interval, over groups
    "gain_high",
    "verdict",  # which of these two levels is better, or that neither is shown to be
    "repeats",  # random streams that `episodes` were drawn from, each as many
    "repeats_ci95",  # half of a 95 % interval over the streams' means: 1.96 s / sqrt(repeats)
)
PACKAGES = ("torch", "torchvision", "hydra-core", "omegaconf", "numpy", "pandas", "pillow")


class RunFolder:
    """Writes the files of one run.

    Creates the folder; raises RunError where it cannot be written. stamps: columns that every
    result of the run has.
    """

    def __init__(self, folder: Path, stamps: Row | None = None) -> None:
        self.folder = folder
        self.stamps = stamps or {}
        self.uses = ""  # what every result of the run rests on, beside a row's own
        self.warnings: list[str] = []  # that concern every result of the run, beside a row's own
        self.results: list[Row] = []
        self.events: EventFiles | None = None  # TensorBoard's, which get every row too
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write to {folder}: {error.strerror}") from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.yaml, the resolved configuration."""
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        write_text(self.folder / "config.yaml", text)

    def withdraw(self) -> None:
        """Take config.yaml back from a run that wrote nothing else, so that no trace is left."""
        names = [path.name for path in self.folder.iterdir()]
        if [name for name in names if name not in (LOCK, OWNER)] == ["config.yaml"]:
            (self.folder / "config.yaml").unlink()

    def add_metrics(self, row: Row) -> None:
        """Append one epoch to metrics.csv."""
        append_row(self.folder / "metrics.csv", METRIC_COLUMNS, row)
        if self.events is not None:
            self.events.add_metrics(row)

    def rewrite_metrics(self, rows: list[Row]) -> None:
        """Set metrics.csv to these rows; without any there is no file."""
        path = self.folder / "metrics.csv"
        if rows:
            with atomic(path) as partial:
                for row in rows:
                    append_row(partial, METRIC_COLUMNS, row)
        else:
            path.unlink(missing_ok=True)
        if self.events is not None:
            self.events.restart(rows)

    def add_result(self, row: Row) -> None:
        """Append one figure to results.csv."""
        row = {**row, **self.stamps}
        if self.uses:
            row["uses"] = "; ".join(filter(None, [row.get("uses"), self.uses]))
        if self.warnings:
            row["warnings"] = ";".join(filter(None, [row.get("warnings"), *self.warnings]))
        append_row(self.folder / "results.csv", RESULT_COLUMNS, row)
        self.results.append(row)
        if self.events is not None:
            self.events.add_result(row)

    def write_summary(self, facts: Row) -> None:
        """Write summary.json: `facts` and the results so far."""
        text = json.dumps({**facts, "results": self.results}, indent=2, ensure_ascii=False)
        write_text(self.folder / "summary.json", text + "\n")


def finish_run(
    folder: RunFolder,
    config: dict[str, Any],
    facts: Row,
    device: torch.device,
    started: float,
) -> None:
    """Write summary.json with `facts` of the run, and print its results.

    started: when, on time.perf_counter's clock.
    """
    seconds = round(time.perf_counter() - started, 1)
    summary = {"fingerprint": fingerprint(config), **facts, "seconds": seconds}
    folder.write_summary(summary | provenance(device))
    known = folder.stamps.get("pretrained", "none")
    start = "" if known == "none" else f"the encoder began with weights from elsewhere: {known}\n"
    uses = list(dict.fromkeys(row["uses"] for row in folder.results if row.get("uses")))
    start += "".join(f"known beside the support: {each}\n" for each in uses)
    start += "".join(f"{line}\n" for line in result_lines(folder.results))
    table = results_table(folder.results)
    print(f"\n{table}\n\n{start}{seconds:.0f} s, written to {folder.folder}")


def provenance(device: torch.device) -> dict[str, Any]:
    """Return versions, git commit (None outside a checkout), device, threads and command."""
    versions = {"fewshot_fer": __version__, "python": platform.python_version()}
    versions |= {name: version(name) for name in PACKAGES}
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "command": shlex.join(sys.orig_argv),
        "versions": versions,
        "git_commit": git_commit(),
        "platform": platform.platform(),
        "device": gpu or device.type,
        "threads": torch.get_num_threads(),
    }


def git_commit() -> str | None:
    """Return the commit of the checkout that this package is run from, `-dirty` if changed."""
    top = Path(__file__).resolve().parents[3]
    if not (top / ".git").exists():  # an installed wheel may lie inside somebody else's checkout
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=top,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip() or None
