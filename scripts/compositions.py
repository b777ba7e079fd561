"""Score ways to compose compound classes from their parts, all on the same episodes.

    python scripts/compositions.py run=outputs/train/...
    python scripts/compositions.py run=outputs/train/... --queries 15 --csv compositions.csv

Every picture of the compound data set is embedded once, by the run's encoder, centred on its
training mean and at unit length. Each composition is scored at 0, 1 and 5 shots, 4-way and 5-way.
Its gain over plain prototypes is counted episode by episode, with a 95 % interval; at 0 shots,
where there are none, over the mean of the parts. `found in validation` chooses its weight on other
episodes of the same pictures, which flatters it. Other words than run= are those of paths.
"""

import argparse
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.model_schema import COMPOSITIONS, LEARNT
from fewshot_fer.config.schema import DatasetConfig, EvalConfig, PathsConfig, TrainVerb
from fewshot_fer.data.load import Source, find_source
from fewshot_fer.data.packed_images import load_images
from fewshot_fer.episodes.protocol import RunData, evaluation_protocol, training_protocol
from fewshot_fer.episodes.sampler import Episodes
from fewshot_fer.evaluation.choose_method import choose_prior_weight, priors, reweighted
from fewshot_fer.evaluation.embedder import Embedder
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.evaluation.tasks import EpisodicTask
from fewshot_fer.evaluation.training_statistics import CLASS_IMAGES, TrainingStatistics
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES, Method, refined, untrained_method
from fewshot_fer.runs.checkpoint import load_checkpoint
from fewshot_fer.runs.config_file import read_run_settings
from fewshot_fer.runs.load import load_model, stored_statistics
from fewshot_fer.system.device import prepare_device
from fewshot_fer.system.errors import UserError

SHAPES = tuple((way, shot) for way in (4, 5) for shot in (0, 1, 5))
WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0)
ALONE = "parts alone or found in support"
Z95 = 1.959964

Accuracies = NDArray[np.float64]


@dataclass(frozen=True)
class WeighedParts(Priors):
    """Priors that are means of their parts by shares [B] of the training classes."""

    shares: Tensor | None = None

    def composed(self, parts: Sequence[str]) -> Tensor:
        """Return the mean [D] of the parts' prototypes by their shares."""
        assert self.shares is not None
        rows = [self.class_names.index(part) for part in parts]
        shares = self.shares[rows] / self.shares[rows].sum()
        return shares @ self.prototypes[rows]


def main() -> int:
    """Return 0 if all were scored, 2 for what the words on the command line got wrong."""
    options, words = _options()
    try:
        table = _compare(words, options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    table.to_csv(options.csv, index=False, float_format="%.6g")
    print(f"\n{markdown(table)}\n\n{options.csv}")
    return 0


def _options() -> tuple[argparse.Namespace, dict[str, str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=1000, help="of each shape")
    parser.add_argument("--queries", type=int, default=1, help="pictures a class that are asked")
    parser.add_argument("--transductive", default="bdcspn", help="bdcspn,laplacianshot,tim: some")
    parser.add_argument("--csv", default="compositions.csv", help="file for the table")
    options, words = parser.parse_known_args()
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if "run" not in given or set(given) - {"run", "paths", "paths.data"}:
        parser.error("give run=FOLDER of a trained run, and paths.data= or paths=demo if need be")
    return options, given


@dataclass(frozen=True)
class OpenedRun:
    """A trained run, its embedder with CL2N, and where pictures are found."""

    trained: TrainVerb
    embedder: Embedder
    side: TrainingStatistics
    source: Source


def opened_run(words: Mapping[str, str], scale: float | None = None) -> OpenedRun:
    """Return the run in words["run"]; scale: of a drawn set other than its own."""
    run = Path(words["run"]).expanduser()
    trained = read_run_settings(run)
    device = prepare_device(trained.device, trained.seed)
    file = run / f"{trained.train.tested}.pt"
    checkpoint = load_checkpoint(file, device)
    embedder = load_model(trained, checkpoint, device, str(file)).embedder
    side = stored_statistics(checkpoint, str(file))
    if side is None:
        raise UserError(f"{file} says nothing of the training images: train again")
    paths = trained.paths
    if "paths" in words or "paths.data" in words:
        paths = PathsConfig(data=words.get("paths.data"), demo=words.get("paths") == "demo")
    demo = trained.demo if scale is None else replace(trained.demo, scale=scale)
    normalised = embedder.normalised(side.normalisation("cl2n"))
    return OpenedRun(trained, normalised, side, find_source(paths, demo))


def _compare(words: dict[str, str], options: argparse.Namespace) -> pd.DataFrame:
    opened = opened_run(words)
    trained, embedder, source = opened.trained, opened.embedder, opened.source
    device = embedder.device
    training = training_protocol(trained, source)
    images = load_images(training.table, trained.backbone.side, device)
    shares = class_shares(embedder, EpisodicTask(training, images), trained.seed)
    made = ways(opened.side, trained, shares, options.transductive.split(","))
    rows: list[dict[str, object]] = []
    for way, shot in SHAPES:
        asked = EvalConfig("compound", DatasetConfig("rafdb_compound"), "episodes", shot, way)
        asked = replace(asked, n_query=options.queries, episodes=options.episodes)
        protocol = evaluation_protocol("test", asked, RunData(source))
        task = EpisodicTask(protocol, load_images(protocol.table, trained.backbone.side, device))
        rows += _rows(protocol.title, score_task(embedder, made, task, trained.seed))
        print(f"{protocol.title} done", file=sys.stderr)
    return pd.DataFrame(rows)


def ways(
    side: TrainingStatistics,
    trained: TrainVerb,
    shares: dict[str, Tensor],
    transductive: Sequence[str] = ("bdcspn",),
) -> dict[str, Method]:
    """Return every way by its name; shares: kind -> [B], by which parts may be weighed."""
    plain = Method("plain", PROTOTYPES.logits)
    base = priors(side, "cl2n", replace(trained.method, composition="mean"))
    found = Method("composed", PROTOTYPES.logits, priors=base)
    made = {"plain": plain}
    made |= {f"weight {weight:g}": reweighted(found, weight) for weight in WEIGHTS}
    made[ALONE] = found
    known = [each for each in COMPOSITIONS[1:] if each != LEARNT or base.pair_map is not None]
    for composition in known:
        other = replace(base, composition=composition)
        made[f"composition {composition}"] = replace(found, priors=other)
    for weights in ((0.4, 0.6), (0.6, 0.4)):
        other = replace(base, part_weights=weights)
        made[f"part weights {weights[0]:g}, {weights[1]:g}"] = replace(found, priors=other)
    for kind, each in shares.items():
        weighed = WeighedParts(**vars(base), shares=each)
        made[f"parts by {kind}"] = replace(found, priors=weighed)
    for name in transductive:
        made[name] = untrained_method(name)
        made[f"composed, then {name}"] = refined(found, name)
    return made


def class_shares(embedder: Embedder, training: EpisodicTask, seed: int) -> dict[str, Tensor]:
    """Return what parts may be weighed by: how sharp a training class is, and how large."""
    pool, random = training.protocol.pool, np.random.default_rng(seed)
    members = [np.sort(random.permutation(own)[:CLASS_IMAGES]) for own in pool.members]
    embedded = [embedder.embed(training.images, own).float().cpu() for own in members]
    spreads = torch.stack([own.var(dim=0).sum() for own in embedded])
    sizes = torch.from_numpy(pool.sizes).float()
    return {"1 / spread": 1 / spreads, "spread": spreads, "root of size": sizes.sqrt()}


def score_task(
    embedder: Embedder, made: dict[str, Method], task: EpisodicTask, seed: int
) -> dict[str, Accuracies]:
    """Return the accuracies [E] of every way that can score a task."""
    episodes = task.protocol.draw(seed)
    rows = episodes.images()
    embedded = embedder.embed(task.images, rows)
    asked = dict(made)
    if task.protocol.shape.k_shot:
        weight = choose_prior_weight(embedder, made[ALONE], task, seed)
        asked["found in validation"] = reweighted(made[ALONE], weight)
    return dict(_scored(asked, embedded, rows, episodes))


def _scored(
    made: dict[str, Method],
    embedded: Tensor,
    rows: NDArray[np.int64],
    episodes: Episodes,
) -> Iterator[tuple[str, Accuracies]]:
    shot = episodes.support.shape[2]
    for name, method in made.items():
        if shot == 0 and (method.priors is None or name.startswith("weight")):
            continue  # nothing to go by, or the same for every weight
        yield name, score_episodes(method, embedded, rows, episodes).accuracy


def _rows(protocol: str, accuracies: dict[str, Accuracies]) -> list[dict[str, object]]:
    held_against = "plain" if "plain" in accuracies else ALONE
    rows: list[dict[str, object]] = []
    for name, each in accuracies.items():
        gain, half = paired(each, accuracies[held_against])
        row: dict[str, object] = {"protocol": protocol, "way": name, "accuracy": each.mean()}
        row |= {"gain_over": held_against, "gain": gain, "gain_half": half, "episodes": len(each)}
        rows.append(row)
    return rows


def paired(own: Accuracies, reference: Accuracies) -> tuple[float, float]:
    """Return the mean difference of two ways on the same episodes, and half its 95 % interval."""
    gains = own - reference
    return float(gains.mean()), Z95 * float(gains.std(ddof=1)) / len(gains) ** 0.5


def markdown(table: pd.DataFrame) -> str:
    """Return the table in percent: a line a way, a column a shape of episodes."""
    protocols = list(dict.fromkeys(table["protocol"]))
    lines = [["way", *protocols], ["---"] * (len(protocols) + 1)]
    known = {(row["way"], row["protocol"]): row for row in table.to_dict("records")}
    names = list(dict.fromkeys(table.sort_values("gain_over", kind="stable")["way"]))
    for name in names:
        cells = [known.get((name, protocol)) for protocol in protocols]
        lines.append([name, *(_cell(row) for row in cells)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row: Mapping[Hashable, Any] | None) -> str:
    if row is None:
        return ""
    accuracy, gain, half = (100 * float(row[key]) for key in ("accuracy", "gain", "gain_half"))
    if row["way"] == row["gain_over"]:
        return f"{accuracy:.1f}"
    return f"{accuracy:.1f} ({gain:+.1f} ± {half:.1f})"


if __name__ == "__main__":
    sys.exit(main())
