"""Measure how often `predict reject=` takes unknown faces for known, by shape of support.

    python scripts/measure_rejection.py run=outputs/train/...
    python scripts/measure_rejection.py run=outputs/train/... --rate 0.1 --draws 200 --csv table.csv

Supports are drawn from the compound classes; faces of the compound classes that are not in a
support are unknown, and with all of them in it those of the basic test split. With the run's own
support of basic classes half of the compound classes, other ones in each draw, set the threshold,
and the other half is unknown; faces of the basic test split are known. Beside it stands what the
threshold of 4-way 5-shot episodes would accept, and by how much stated probabilities are above the
share that is right, with the temperature of validation and with that of the support. Other words
than run= are those of paths.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fewshot_fer.config.schema import DatasetConfig, PathsConfig
from fewshot_fer.data.load import find_source, load_dataset
from fewshot_fer.data.packed_images import load_images
from fewshot_fer.evaluation.support import SupportSet
from fewshot_fer.evaluation.support_calibration import measure_rejection, support_temperature
from fewshot_fer.models.methods.method import PROTOTYPES, for_single_pictures
from fewshot_fer.runs.load import LoadedRun, load_run
from fewshot_fer.system.errors import ConfigError, UserError

SHAPES = tuple((way, shot) for way in (4, 5, 7, 11) for shot in (1, 5, 10, 20, 50))
PER_CLASS = 50  # faces of a class that are compared with a support
LEAST = 2  # faces of a class beside its support
EPISODES = 300  # of validation's shape
TITLES = (
    *("support", "pictures", "false accept", "10..90 % of draws", "by 4-way 5-shot"),
    *("false reject", "as stated", "p - right, validation's T", "p - right, support's T"),
)
Faces = dict[str, Tensor]  # class -> embeddings [n, D]
Row = dict[str, object]


@dataclass(frozen=True)
class Data:
    """A run, faces of the compound classes and of the basic test split, and what is measured."""

    run: LoadedRun
    compound: Faces
    basic: Faces
    rate: float
    draws: int
    random: np.random.Generator

    def shuffled(self, faces: Tensor) -> Tensor:
        """Return the same faces [n, D] in another order."""
        return faces[torch.from_numpy(self.random.permutation(len(faces)))]

    def some(self, names: Sequence[str], count: int) -> list[str]:
        """Return some of the names."""
        return [str(name) for name in self.random.permutation(names)[:count]]


def main() -> int:
    """Return 0 if all was measured, 2 for what the words on the command line got wrong."""
    options, words = _options()
    try:
        table = pd.DataFrame(measure(load_data(words, options)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    table.to_csv(options.csv, index=False, float_format="%.6g")
    print(f"{markdown(table)}\n\n{options.csv}")
    return 0


def _options() -> tuple[argparse.Namespace, dict[str, str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rate", type=float, default=0.05, help="as in predict reject=")
    parser.add_argument("--draws", type=int, default=100, help="supports of each shape")
    parser.add_argument("--csv", default="rejection.csv", help="file for the table")
    options, words = parser.parse_known_args()
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if "run" not in given or set(given) - {"run", "paths", "paths.data"}:
        parser.error("give run=FOLDER of a trained run, and paths.data= or paths=demo if need be")
    return options, given


def load_data(words: dict[str, str], options: argparse.Namespace) -> Data:
    """Return a run and the embeddings of its data sets. Raises UserError."""
    run = load_run(Path(words["run"]).expanduser())
    paths = run.settings.paths
    if "paths" in words or "paths.data" in words:
        paths = PathsConfig(data=words.get("paths.data"), demo=words.get("paths") == "demo")
    source = find_source(paths, run.settings.demo)
    random = np.random.default_rng(run.settings.seed)
    kinds = (DatasetConfig("rafdb_compound"), DatasetConfig("rafdb_basic", split="test"))
    compound, basic = (_embedded(load_dataset(kind, source), run) for kind in kinds)
    return Data(run, compound, basic, options.rate, options.draws, random)


def _embedded(table: pd.DataFrame, run: LoadedRun) -> Faces:
    images = load_images(table, run.image_size, run.embedder.device)
    embeddings = run.embedder.embed(images, np.arange(len(table))).float().cpu()
    labels = table["label"].to_numpy()
    return {str(name): embeddings[torch.from_numpy(labels == name)] for name in sorted(set(labels))}


def measure(data: Data) -> list[Row]:
    """Return a row for the run's own support and one for every shape that the data have."""
    before = threshold_of_episodes(data)
    rows = [_mean(f"{len(data.run.class_names)} classes of the run", _of_run(data, before))]
    for way, shot in SHAPES:
        names = [name for name, own in data.compound.items() if len(own) >= shot + LEAST]
        if way <= len(names):
            rows.append(_mean(f"{way}-way {shot}-shot", _of_shape(data, names, way, shot, before)))
            print(f"{rows[-1]['support']} done", file=sys.stderr)
    return rows


def threshold_of_episodes(data: Data) -> float:
    """Return the threshold of 4-way 5-shot episodes: the nearest of the three other prototypes."""
    nearest = []
    for _ in range(EPISODES):
        taken = [data.shuffled(data.compound[name]) for name in data.some([*data.compound], 4)]
        prototypes = torch.stack([own[:5].mean(dim=0) for own in taken])
        nearest.append(nearness(taken[0][5:10], prototypes[1:]))
    return float(torch.quantile(torch.cat(nearest), 1 - data.rate))


def nearness(faces: Tensor, prototypes: Tensor) -> Tensor:
    """Return minus the squared distance [N] to the nearest prototype."""
    return PROTOTYPES.by_means(prototypes, faces).amax(dim=1).double()


def _of_run(data: Data, before: float) -> Iterator[Row]:
    """Yield draws with the run's own support: half of the compound classes set the threshold."""
    for _ in range(data.draws):
        names = data.some([*data.compound], len(data.compound))
        half = len(names) // 2
        stored = {name: data.shuffled(data.compound[name])[:PER_CLASS] for name in names[:half]}
        unknown = [data.shuffled(data.compound[name])[:PER_CLASS] for name in names[half:]]
        yield _measured(data, data.run.support, stored, torch.cat(unknown), data.basic, before)


def _of_shape(data: Data, names: list[str], way: int, shot: int, before: float) -> Iterator[Row]:
    """Yield draws with supports of compound classes, without any stored faces."""
    for _ in range(data.draws):
        taken = data.some(names, way)
        faces = {name: data.shuffled(data.compound[name]) for name in taken}
        others = [own for name, own in data.compound.items() if name not in faces]
        unknown = [data.shuffled(own)[:PER_CLASS] for own in others or data.basic.values()]
        known = {name: own[shot : shot + PER_CLASS] for name, own in faces.items()}
        support = SupportSet(
            class_names=tuple(taken),
            embeddings=torch.cat([own[:shot] for own in faces.values()]),
            labels=torch.arange(way).repeat_interleave(shot),
            paths=tuple(str(row) for row in range(way * shot)),
            weights=data.run.weights,
        )
        yield _measured(data, support, {}, torch.cat(unknown), known, before)


def _measured(
    data: Data, support: SupportSet, stored: Faces, unknown: Tensor, known: Faces, before: float
) -> Row:
    """Return shares of one draw, 0..1, of unknown and of known faces."""
    prototypes, faces = support.prototypes(), torch.cat([*known.values()])
    to_unknown, to_known = nearness(unknown, prototypes), nearness(faces, prototypes)
    row: Row = {
        "pictures": len(support.labels),
        "episodes": float((to_unknown >= before).double().mean()),
        "refused": 0.0,
    }
    try:
        found = measure_rejection(data.rate, support, stored, of_training=bool(stored))
    except ConfigError:
        return row | {"refused": 1.0} | _above(data, support, known)
    row["false_accept"] = float((to_unknown >= found.threshold).double().mean())
    row["false_reject"] = float((to_known < found.threshold).double().mean())
    row["stated_reject"] = found.false_reject
    return row | _above(data, support, known)


@torch.inference_mode()
def _above(data: Data, support: SupportSet, known: Faces) -> Row:
    """Return by how much mean stated probabilities are above the share that is right."""
    method, device = for_single_pictures(data.run.method), data.run.embedder.device
    places = [support.class_names.index(name) for name in known]
    labels = torch.tensor(places).repeat_interleave(torch.tensor([*map(len, known.values())]))
    logits = method.by_means(support.prototypes(), torch.cat([*known.values()])).double()
    right = float((logits.argmax(dim=1) == labels).double().mean())
    temperatures: dict[str, float | None] = {"above_validation": data.run.calibration.temperature}
    if support is not data.run.support:
        temperatures["above_support"] = support_temperature(support, method, device)
    return {
        name: float(torch.softmax(logits / temperature, dim=1).amax(dim=1).mean()) - right
        for name, temperature in temperatures.items()
        if temperature is not None
    }


def _mean(support: str, draws: Iterator[Row]) -> Row:
    """Return the means over draws, and the tenth and ninetieth percentile of false accepts."""
    table = pd.DataFrame(list(draws))
    row: Row = {"support": support} | {str(name): mean for name, mean in table.mean().items()}
    if "false_accept" in table:
        row |= {f"accept_{p}": table["false_accept"].quantile(p / 100) for p in (10, 90)}
    return row


def markdown(table: pd.DataFrame) -> str:
    """Return the table in percent."""
    lines = [list(TITLES), ["---"] + ["---:"] * (len(TITLES) - 1)]
    for row in table.to_dict("records"):
        shares = {name: _percent(value) for name, value in row.items() if name != "support"}
        accept = "refused" if row["refused"] == 1 else shares["false_accept"]
        spread = f"{shares['accept_10']}..{shares['accept_90']}"
        cells = [
            row["support"],
            f"{row['pictures']:.0f}",
            accept,
            spread.strip("."),
            shares["episodes"],
        ]
        cells += [shares["false_reject"], shares["stated_reject"]]
        lines.append([*cells, shares["above_validation"], shares["above_support"]])
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _percent(value: float) -> str:
    return "" if value != value else f"{100 * value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
