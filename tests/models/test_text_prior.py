"""Prototypes from text: against open_clip by hand, with a tiny network of random weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import TINY, Command, assert_one_line, train_in
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from typed_predict import draw_classes, table_of

from fewshot_fer.models.methods.text import TEMPLATES
from fewshot_fer.runs.checkpoint import load_checkpoint

open_clip = pytest.importorskip("open_clip")
NAME, SIDE = "tiny-clip", 32
TOWERS = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": SIDE, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
CARD = {
    "architecture": f"open_clip/{NAME}",
    **{"source": "random", "licence": "MIT", "trained_on": "nothing", "pretrained": "captions"},
    **{"image_size": SIDE, "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.4]},
}
CLASSES = ("happily surprised", "sadly angry", "fearfully surprised")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of both towers, with a card; open_clip knows their architecture."""
    folder = tmp_path_factory.mktemp("clip")
    (folder / f"{NAME}.json").write_text(json.dumps(TOWERS))
    open_clip.add_model_config(folder / f"{NAME}.json")
    torch.manual_seed(5)
    network = open_clip.CLIP(**TOWERS)
    with torch.no_grad():  # random towers hardly tell inputs apart
        network.token_embedding.weight.mul_(40)
        network.visual.conv1.weight.mul_(3)
    save_file(network.state_dict(), folder / "clip.safetensors")
    (folder / "clip.yaml").write_text(yaml.safe_dump(CARD))
    return folder / "clip.safetensors"


def words(weights: Path) -> tuple[str, ...]:
    settings = [word for word in TINY if not word.startswith(("train=", "backbone."))]
    epochs = [word for word in settings if not word.startswith("train.epochs")]
    own = ("backbone=open_clip", f"backbone.name=open_clip/{NAME}", f"backbone.weights={weights}")
    return (*own, "train=frozen", *epochs, "method.normalise=l2")


@pytest.fixture(scope="module")
def run(weights: Path, data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frozen run that is tested without a support; its file of weights is gone afterwards."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "own.safetensors").write_bytes(weights.read_bytes())
    (folder / "own.yaml").write_text(weights.with_suffix(".yaml").read_text())
    typed = (*words(folder / "own.safetensors"), "method=text", "eval.k_shot=0")
    made = train_in(folder, cache, *typed, f"paths.data={data}", "test=[compound_5w1s]")
    (folder / "own.safetensors").unlink()
    (folder / "own.yaml").unlink()
    return made


def by_hand(weights: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    network = open_clip.CLIP(**TOWERS).eval()
    network.load_state_dict(load_file(weights))
    return network


@torch.no_grad()
def text_vectors(network: torch.nn.Module, sentences: list[list[str]]) -> Tensor:
    """Return a vector [C, D] a class: sentences at unit length, their mean at unit length."""
    read = open_clip.tokenize
    each = [F.normalize(network.encode_text(read(of_class)), dim=-1) for of_class in sentences]
    return torch.stack([F.normalize(own.mean(dim=0), dim=-1) for own in each])


@torch.no_grad()
def image_vectors(network: torch.nn.Module, files: list[str]) -> Tensor:
    pixels = np.stack([np.asarray(Image.open(f).resize((SIDE, SIDE), 2)) for f in files])
    images = (pixels / 255 - np.array(CARD["mean"])) / np.array(CARD["std"])
    images = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    return F.normalize(network.encode_image(images), dim=-1)


def draw_faces(folder: Path) -> list[str]:
    """Write crops of the encoder's own size, so that no resizing stands between."""
    files = []
    for path in sorted(draw_classes(folder, {"x": 1, "y": 6, "z": 9}, 3).rglob("*.jpg")):
        picture = Image.open(path).resize((SIDE, SIDE))
        picture.save(path.with_suffix(".png"))
        path.unlink()
        files.append(str(path.with_suffix(".png")))
    return files


def test_without_a_support_logits_are_cosines_to_the_text(
    command: Command, run: Path, weights: Path, tmp_path: Path
) -> None:
    """Of classes that are named; the run needs no file but its own."""
    files = draw_faces(tmp_path / "faces")
    named = f"classes=[{','.join(CLASSES)}]"
    outcome = command("predict", f"run={run}", f"images={','.join(files)}", "align=false", named)
    table, facts = table_of(outcome), json.loads((outcome.folder / "predictions.json").read_text())
    network = by_hand(weights)
    texts = text_vectors(network, [[t.format(name) for t in TEMPLATES] for name in CLASSES])
    cosines = image_vectors(network, files) @ texts.T
    assert cosines.std() > 0.01
    expected = (10 * cosines.double() / facts["temperature"]).softmax(dim=1).numpy()
    shares = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert shares == pytest.approx(expected, abs=1e-4)
    assert set(table["uses"]) == {"text"}


def test_rows_say_what_they_rest_on(run: Path) -> None:
    """Text, and an encoder that knew captions, under its licence."""
    results = pd.read_csv(run / "results.csv").set_index("role")
    assert results.loc[["validation", "test"], "uses"].tolist() == ["text"] * 2
    assert results.loc["validation", "k_shot"] == 0
    assert set(results["pretrained"]) == {"captions"}
    assert yaml.safe_load((run / "encoder.yaml").read_text())["licence"] == "MIT"


def test_pictures_move_text_prototypes(
    command: Command, weights: Path, data: Path, tmp_path: Path
) -> None:
    """By the weight that is given, class by class; sentences of one's own are read instead."""
    files, network = draw_faces(tmp_path / "faces"), by_hand(weights)
    own = "+method.prompts.happiness=[a grin,a smile]"
    typed = (*words(weights), "method=text", "method.prior_weight=4", own, f"paths.data={data}")
    trained = command("train", *typed)
    assert trained.code == 0, trained.err
    support = tmp_path / "faces"
    for name, new in (("x", "happy"), ("y", "sad"), ("z", "7")):  # a number says nothing
        (support / name).rename(support / new)
    files = sorted(map(str, support.rglob("*.png")))
    outcome = command(
        *("predict", f"run={trained.folder}", f"images={','.join(files)}", "align=false"),
        f"support={support}",
    )
    table = table_of(outcome)
    vectors = image_vectors(network, files)
    means = {name: vectors[[f"/{name}/" in f for f in files]].mean(dim=0) for name in "7"}
    sad = [template.format("sad") for template in TEMPLATES]
    texts = text_vectors(network, [["a grin", "a smile"], sad])
    for name, text in zip(("happy", "sad"), texts, strict=True):
        pictures = vectors[[f"/{name}/" in f for f in files]]
        means[name] = (pictures.sum(dim=0) + 4 * text) / (len(pictures) + 4)
    names = [column[2:] for column in table.filter(like="p_")]
    logits = 10 * vectors @ F.normalize(torch.stack([means[name] for name in names]), dim=-1).T
    temperature = json.loads((outcome.folder / "predictions.json").read_text())["temperature"]
    expected = (logits.double() / temperature).softmax(dim=1).numpy()
    assert table.filter(like="p_").to_numpy() == pytest.approx(expected, abs=1e-4)


def test_beside_other_methods(command: Command, run: Path, data: Path) -> None:
    """Refined by the queries too, on the same episodes."""
    typed = (f"run={run}", f"paths.data={data}", "device=cpu", "test.episodes=5")
    outcome = command("test", *typed, "test=compound_5w1s", "methods=[composed,text+laplacian]")
    assert outcome.code == 0, outcome.err
    uses = pd.read_csv(outcome.folder / "methods.csv").set_index("method")["uses"]
    assert uses.to_dict() == {
        "text": "text",
        "composed": "names of the parts",
        "text+laplacian": "text; all queries of an episode together",
    }


@pytest.mark.slow
def test_an_export_knows_the_text(command: Command, run: Path, tmp_path: Path) -> None:
    """Its check against torch passes, and the text tower is not in the file."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    outcome = command("export", f"run={run}", f"out={tmp_path}/text.onnx")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "text.onnx").stat().st_size < 2_000_000


@pytest.mark.slow
def test_only_the_image_tower_learns(command: Command, weights: Path, data: Path) -> None:
    """Training leaves text as it was; all methods are those that read it too."""
    typed = [word for word in words(weights) if word != "train=frozen"]
    schedule = ("train=finetune", "train.epochs=1", "train.supervised_epochs=0")
    outcome = command("train", *typed, *schedule, f"paths.data={data}")
    assert outcome.code == 0, outcome.err
    before, after = by_hand(weights).state_dict(), load_checkpoint(outcome.folder / "last.pt")
    changed = {
        name.split(".")[0]
        for name, value in before.items()
        if not torch.equal(value, after.encoder[f"network.clip.{name}"])
    }
    assert changed == {"visual"}
    tested = (f"run={outcome.folder}", f"paths.data={data}", "device=cpu", "test.episodes=5")
    outcome = command("test", *tested, "test=compound_5w1s", "methods=all")
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(outcome.folder / "methods.csv").set_index("method")
    assert table.loc["text", "uses"] == "text"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("backbone.weights=none",), "backbone.weights=/path"),
        (("backbone.weights=imagenet",), "not downloaded"),
        (("backbone.weights=nowhere.safetensors",), "nowhere.safetensors"),
        (("backbone.name=open_clip/tiny-clap",), NAME),
        (("backbone.name=open_clip/ViT-B-16-SigLIP",), "must be downloaded"),
        (("backbone.name=open_clip/ViT-S-32",), f"open_clip/{NAME}"),
        (("backbone=conv4", "backbone.name=conv4", "backbone.weights=none"), "backbone=open_clip"),
        (("+method.prompts.fear=[]",), "method.prompts.fear"),
        (("method.normalise=cl2n",), "method.normalise=l2"),
    ],
)
def test_mistakes_are_one_line(
    command: Command, weights: Path, data: Path, typed: tuple[str, ...], says: str
) -> None:
    """That names what is wrong, and what to type."""
    whole = dict(word.split("=", 1) for word in words(weights))
    whole |= {"method": "text", "paths.data": str(data)}
    whole |= dict(word.split("=", 1) for word in typed)
    outcome = command("train", *(f"{key}={value}" for key, value in whole.items()))
    assert_one_line(outcome, says)


def test_a_missing_extra_is_one_line(
    command: Command, weights: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "open_clip", None)
    typed = (*words(weights), "method=text", f"paths.data={data}")
    assert_one_line(command("train", *typed), "[clip]")
