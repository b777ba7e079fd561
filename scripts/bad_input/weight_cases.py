"""Faults of files of weights, with a card or without."""

import pickle
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    Spoil,
    as_it_is,
    edited,
    flipped,
    folder_instead,
    gone,
    on,
    replaced,
    text,
    truncated,
)
from bad_input.commands import RAFDB
from bad_input.good_files import write_rafdb
from bad_input.run_faults import MARK, Payload

CARD = (
    "image_size: 16\nmean: [0.5, 0.5, 0.5]\nstd: [0.5, 0.5, 0.5]\narchitecture: conv4\n"
    "source: a colleague\nlicence: MIT\ntrained_on: unnamed\n"
)
DEEP = f"image_size: {'[' * 5000}"


def write_weights(root: Path) -> Path:
    """Write RAF-DB and the weights of a small network, wrapped as training loops do."""
    write_rafdb(root)
    state = {f"module.{name}": value for name, value in _state().items()}
    torch.save({"state_dict": state, "epoch": 3}, root / "weights.pth")
    return root / "weights.pth"


def write_safetensors(root: Path) -> Path:
    """Write RAF-DB, weights with a card, and return the weights' file."""
    write_rafdb(root)
    save_file(_state(), root / "faces.safetensors")
    (root / "faces.yaml").write_text(CARD)
    return root / "faces.safetensors"


def _state() -> dict[str, Tensor]:
    from fewshot_fer.models.backbones.from_scratch import Conv4

    torch.manual_seed(0)
    return Conv4(filters=4).state_dict()


def weights() -> list[Case]:
    """A state_dict, which `backbone.weights=` starts from."""
    kind = "weight file"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "a flipped byte", _flipped_weights),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone, LINE, "weights.pth"),
        Case(kind, "a folder in its place", folder_instead, LINE, "weights.pth"),
        Case(kind, "of another network", _saved({"other": torch.zeros(3)}), LINE, "lacks"),
        Case(kind, "no weights in it", _saved({"epoch": 3}), LINE, "holds no weights"),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", _saved({"state_dict": Payload()})),
        Case(kind, "hostile: a program in TorchScript", _program, LINE, "TorchScript"),
        Case(kind, "in a wrapper, with a prefix", as_it_is, WORKS),
    ]


def safetensors_files() -> list[Case]:
    """Weights in safetensors, and the card beside them."""
    kind, card = "encoder with a card", "faces.yaml"
    cards: list[tuple[str, Spoil, str]] = [
        ("empty", text(""), "is no card"),
        ("missing", gone, "is not there"),
        ("a folder in its place", folder_instead, card),
        ("a mean that is no number", replaced(b"mean: [0.5", b"mean: [.nan"), "three numbers"),
        ("a tag that does not fit", replaced(b"16", b"!!int x"), "cannot be read"),
        ("nested beyond measure", text(DEEP), "cannot be read"),
        ("of a network that is not known", replaced(b"conv4", b"conv5"), "conv5"),
        ("wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16")), card),
        ("hostile: a tag that runs code", text(_tag()), "cannot be read"),
    ]
    return [
        Case(kind, "weights truncated", edited(truncated), LINE, "faces.safetensors"),
        Case(kind, "weights empty", text(b""), LINE, "faces.safetensors"),
        Case(kind, "weights missing", gone, LINE, "faces.safetensors"),
        Case(kind, "weights that are a pickle", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "weights of another network", _fewer, LINE, "lacks"),
        *(Case(kind, f"card {fault}", on(card, how), LINE, says) for fault, how, says in cards),
        Case(kind, "card with BOM and CRLF", on(card, edited(_as_windows_does)), WORKS),
        Case(kind, "sound", as_it_is, WORKS),
    ]


def _saved(content: object) -> Spoil:
    return lambda path: torch.save(content, path)


def _program(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights/data.pkl", pickle.dumps(Payload(), protocol=2))
        archive.writestr("weights/constants.pkl", b"")


def typed_methods() -> list[Case]:
    """A method that an encoder, a schedule or a way to normalise does not go with."""
    kind = "a method that is typed"
    plain, text = "method.normalise=none", ("method=text", "method.normalise=l2")
    deep = ("backbone=resnet50", "backbone.weights=none", "backbone.accept_size=true")
    typed = {
        "local features, centred": (
            ("method=frn", "method.normalise=cl2n"),
            "method.normalise=none",
        ),
        "matrices of 2,048 channels": (("method=deepbdc", plain, *deep), "2048 channels"),
        "a cache without a classifier": (
            ("method=tip_adapter", "train=frozen", plain),
            "a classifier",
        ),
        "a baseline that is to learn": (("method=raw_pixels", plain), "train=frozen"),
        "a name that is not known": (("method.name=dn5",), "dn5"),
        "text with an encoder that sees images alone": (text, "backbone=open_clip"),
        "text, centred": (("method=text", "method.normalise=cl2n"), "method.normalise=l2"),
        "sentences that are none": (
            (*text, "+method.prompts.fear=[]"),
            "method.prompts.fear",
        ),
        "text towers that are not there": (
            (
                *text,
                "backbone=open_clip",
                "backbone.weights=clip.safetensors",
                "backbone.image_size=224",
            ),
            "clip.safetensors",
        ),
        "text towers that nobody knows": (
            (*text, "backbone=open_clip", "backbone.name=open_clip/ViT-B-31"),
            "ViT-B-32",
        ),
        "local features, and compounds of prototypes": (
            ("method=dn4", plain, "train.compounds.share=0.2"),
            "method=dn4 has none",
        ),
        "compounds of two expressions": (
            ("train.compounds.share=0.2", "dataset.classes=[anger,fear,neutral]"),
            "training has anger, fear",
        ),
    }
    return [
        Case(kind, fault, as_it_is, LINE, says, words=(*RAFDB, *words))
        for fault, (words, says) in typed.items()
    ]


def _flipped_weights(path: Path) -> None:
    raw = next(iter(_state().values())).numpy().tobytes()
    replaced(raw, flipped(raw))(path)


def _fewer(file: Path) -> None:
    state = load_file(file)
    state.popitem()
    save_file(state, file)


def _as_windows_does(raw: bytes) -> bytes:
    return b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n")


def _tag() -> str:
    return f"!!python/object/apply:os.system ['touch {MARK}']\n"
