"""Draw what composing is worth by shots: accuracy of four methods on identical episodes.

    python scripts/composition_shots.py run=outputs/train/... --scale 3
    python scripts/composition_shots.py run=outputs/train/... --on halves      # no compound class

Episodes are drawn once, with the largest number of shots. Fewer shots are the first of these, so
that every number of shots has the same queries and supports lie within one another. At 0 shots
composed prototypes are their parts alone. --on says what episodes are drawn from: `compound` is the
report. The rule by which a support weighs its parts was chosen on others: `basic`, pictures of the
test split of the classes of training; `mixed` and `halves`, pairs of these, as the mean of their
pixels or the upper half of one above the lower half of the other; each with --wrong too, where
every class has the parts of the next one; and frames of AFEW. Other words
than run= are those of paths.
"""

import argparse
import itertools
import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from compositions import Accuracies, OpenedRun, opened_run, paired
from numpy.typing import NDArray
from torch import Tensor

from fewshot_fer.config.schema import DatasetConfig, EpisodesConfig, EvalConfig
from fewshot_fer.data.load import load_dataset
from fewshot_fer.data.packed_images import load_images
from fewshot_fer.episodes.pool import Shape, build_pool
from fewshot_fer.episodes.protocol import RunData, evaluation_protocol
from fewshot_fer.episodes.sampler import Episodes, draw_episodes
from fewshot_fer.evaluation.choose_method import priors
from fewshot_fer.evaluation.metrics import mean_interval
from fewshot_fer.evaluation.scoring import score_episodes
from fewshot_fer.models.methods.composed import Priors
from fewshot_fer.models.methods.method import PROTOTYPES, Method, refined, untrained_method
from fewshot_fer.system.errors import UserError
from fewshot_fer.system.figures import new_figure, save_figure

SHOTS = "0,1,2,5,10,20,50"
PLAIN, COMPOSED, REFINED, QUERIES = "plain", "composed", "composed, then bdcspn", "bdcspn"
COLOURS = {PLAIN: "tab:gray", COMPOSED: "tab:blue", REFINED: "tab:green", QUERIES: "tab:orange"}
GAINS = ("over_plain", "over_no_shot")
ADAPTERS = {"compound": ("rafdb_compound", "all"), "basic": ("rafdb_basic", "test")}
A_PAIR = 80  # pictures made of each pair of classes
Drawn = tuple[Tensor, NDArray[np.int64], Episodes]
"""Embeddings [R, D] of rows [R], ascending, and episodes of these rows."""


def main() -> int:
    """Return 0 if the picture was drawn, 2 for what the words on the command line got wrong."""
    options, words = _options()
    shots = sorted({int(shot) for shot in options.shots.split(",")})
    try:
        table = compare(words, options, shots)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    table.to_csv(Path(options.picture).with_suffix(".csv"), index=False, float_format="%.6g")
    draw(table, Path(options.picture))
    print(f"{markdown(table)}\n\n{options.picture}")
    return 0


def _options() -> tuple[argparse.Namespace, dict[str, str]]:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shots", default=SHOTS, help="numbers of support pictures a class")
    parser.add_argument("--way", type=int, default=5)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--queries", type=int, default=5, help="pictures a class that are asked")
    parser.add_argument("--scale", type=float, help="demo.scale of the pictures, of a drawn set")
    parser.add_argument("--on", default="compound", choices=(*ADAPTERS, "mixed", "halves"))
    parser.add_argument("--wrong", action="store_true", help="the parts of the next class each")
    parser.add_argument("--picture", default="composition_shots.png")
    options, words = parser.parse_known_args()
    given = dict(word.split("=", 1) for word in words if "=" in word)
    if "run" not in given or set(given) - {"run", "paths", "paths.data"}:
        parser.error("give run=FOLDER of a trained run, and paths.data= or paths=demo if need be")
    return options, given


def compare(words: dict[str, str], options: argparse.Namespace, shots: list[int]) -> pd.DataFrame:
    """Return a row for each method and number of shots: accuracy with its interval, and gains over
    plain prototypes and over no shot on the same episodes."""
    opened = opened_run(words, options.scale)
    base = priors(opened.side, "cl2n", replace(opened.trained.method, composition="mean"))
    shape = Shape(options.way, max(shots), options.queries)
    if options.on in ADAPTERS:
        drawn = of_data_set(opened, shape, options)
    else:
        drawn = of_pairs(opened, shape, options)
    if options.wrong:
        base = wrong(base, drawn[2].class_names)
    return scored(drawn, methods(base), shots)


def methods(base: Priors) -> dict[str, Method]:
    """Return the four methods by the names of their curves."""
    found = Method("composed", PROTOTYPES.logits, priors=base)
    return {
        PLAIN: PROTOTYPES,
        COMPOSED: found,
        REFINED: refined(found, "bdcspn"),
        QUERIES: untrained_method("bdcspn"),
    }


def of_data_set(opened: OpenedRun, shape: Shape, options: argparse.Namespace) -> Drawn:
    """Return episodes of a data set's pictures."""
    dataset = DatasetConfig(*ADAPTERS[options.on])
    asked = EvalConfig(options.on, dataset, "episodes", shape.k_shot, shape.n_way, shape.n_query)
    asked = replace(asked, episodes=options.episodes)
    rules = EpisodesConfig(skip_small_classes=True)
    protocol = evaluation_protocol("test", asked, RunData(opened.source, rules))
    side, device = opened.trained.backbone.side, opened.embedder.device
    episodes = protocol.draw(opened.trained.seed)
    rows = episodes.images()
    return opened.embedder.embed(load_images(protocol.table, side, device), rows), rows, episodes


def of_pairs(opened: OpenedRun, shape: Shape, options: argparse.Namespace) -> Drawn:
    """Return episodes of pictures that are made of two of the test split's, one class a pair."""
    table = load_dataset(DatasetConfig(*ADAPTERS["basic"]), opened.source)
    images = load_images(table, opened.trained.backbone.side, opened.embedder.device)
    random, labels = np.random.default_rng(opened.trained.seed), table["label"].to_numpy()
    names, made = [], []
    for pair in itertools.combinations(sorted(set(labels) - {"neutral"}), 2):
        chosen = [random.choice(np.flatnonzero(labels == part), A_PAIR) for part in pair]
        one, other = (images.gather(own).float() for own in chosen)
        if options.on == "halves":
            half = one.shape[2] // 2
            made.append(torch.cat([one[:, :, :half], other[:, :, half:]], dim=2))
        else:
            made.append((one + other) / 2)
        names += [" ".join(pair)] * A_PAIR
    embedded = opened.embedder.embed_pixels(torch.cat(made).round().byte().cpu().numpy())
    columns = ("path", "dataset", "split", "subject", "clip")
    faces = pd.DataFrame({"label": names} | dict.fromkeys(columns, ""))
    faces["path"] = [f"{number}.png" for number in range(len(faces))]
    pool = build_pool(faces, shape, EpisodesConfig(disjoint="image"))
    episodes = draw_episodes(pool, options.episodes, opened.trained.seed, options.on)
    rows = episodes.images()
    return embedded[torch.from_numpy(rows)], rows, episodes


def wrong(base: Priors, class_names: Sequence[str]) -> Priors:
    """Return priors where every class has the parts of the next one."""
    others = (*class_names[1:], class_names[0])
    parts = {own: base.parts_of(other) for own, other in zip(class_names, others, strict=True)}
    return replace(base, parts=parts)


def scored(drawn: Drawn, made: Mapping[str, Method], shots: Sequence[int]) -> pd.DataFrame:
    """Return a row for each method and number of shots, all on the same queries."""
    embedded, rows, episodes = drawn
    found: dict[tuple[str, int], Accuracies] = {}
    for shot, (name, method) in itertools.product(shots, made.items()):
        if shot or method.priors is not None:
            fewer = episodes.with_shots(shot)
            found[name, shot] = score_episodes(method, embedded, rows, fewer).accuracy
    table: list[dict[str, object]] = []
    for (name, shot), each in found.items():
        accuracy, low, high = mean_interval(each)
        row: dict[str, object] = {"method": name, "shots": shot, "accuracy": accuracy}
        row |= {"ci95_low": low, "ci95_high": high, "episodes": len(each)}
        for over, other in (("plain", (PLAIN, shot)), ("no_shot", (name, 0))):
            if other in found and other != (name, shot):
                gain, half = paired(each, found[other])
                row |= {f"over_{over}": gain, f"over_{over}_half": half}
        table.append(row)
    return pd.DataFrame(table)


def draw(table: pd.DataFrame, picture: Path) -> None:
    """Save the picture of accuracy by shots, a curve with its 95 % band for each method."""
    figure = new_figure(6.4, 4.2, dpi=100)
    axes = figure.subplots()
    for name, colour in COLOURS.items():
        own = table[table["method"] == name].sort_values("shots")
        axes.plot(own["shots"], 100 * own["accuracy"], color=colour, marker="o", label=name)
        low, high = 100 * own["ci95_low"], 100 * own["ci95_high"]
        axes.fill_between(own["shots"], low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = sorted(set(table["shots"]))
    axes.set_xticks(ticks, [str(shot) for shot in ticks])
    axes.minorticks_off()
    axes.set(xlabel="pictures a class in the support", ylabel="accuracy, % (band: 95 % interval)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    save_figure(figure, picture)


def markdown(table: pd.DataFrame) -> str:
    """Return the table in percent: a line a number of shots."""
    lines = [["shots", *COLOURS, "composed over plain", "composed over 0 shots"]]
    lines.append(["---:"] * len(lines[0]))
    for shot, own in table.groupby("shots"):
        rows = {str(row["method"]): row for row in own.to_dict("records")}
        line = [f"{100 * rows[name]['accuracy']:.1f}" if name in rows else "" for name in COLOURS]
        lines.append([str(shot), *line, *(_gain(rows[COMPOSED], over) for over in GAINS)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gain(row: Mapping[Hashable, Any], over: str) -> str:
    gain, half = (100 * float(row.get(key, np.nan)) for key in (over, f"{over}_half"))
    return "" if np.isnan(gain) else f"{gain:+.1f} ± {half:.1f}"


if __name__ == "__main__":
    sys.exit(main())
