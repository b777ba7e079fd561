"""Write the good inputs that cases then damage: tiny data sets in the real layouts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter

TINY = (
    *("backbone.filters=4", "backbone.image_size=16", "train.epochs=1", "device=cpu"),
    *("train.episodes_per_epoch=2", "train.n_way=2", "train.k_shot=1", "train.n_query=1"),
    *("eval.episodes=3", "eval.n_way=2", "eval.k_shot=1", "eval.n_query=1"),
)
AFEW = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")


def picture(seed: int, side: int = 24) -> Image.Image:
    """Return a small picture that no other seed gives."""
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))


def write_rafdb(root: Path) -> Path:
    """Write RAF-DB's basic subset in its published layout; return its label list."""
    return _write_subset(root / "RAF-DB/basic", n_classes=7, n_train=21, n_images=35)


def write_compound(root: Path) -> Path:
    """Write RAF-DB's compound subset, and the basic one beside it; return its label list."""
    write_rafdb(root)
    return _write_subset(root / "RAF-DB/compound", n_classes=11, n_train=22, n_images=33)


def _write_subset(subset: Path, n_classes: int, n_train: int, n_images: int) -> Path:
    faces = subset / "Image/aligned"
    faces.mkdir(parents=True)
    lines = []
    for number in range(n_images):
        split = f"train_{number + 1:05}" if number < n_train else f"test_{number - n_train + 1:04}"
        picture(number).save(faces / f"{split}_aligned.jpg")
        lines.append(f"{split}.jpg {number % n_classes + 1}")
    labels = subset / "EmoLabel/list_patition_label.txt"
    labels.parent.mkdir()
    labels.write_text("\n".join(lines) + "\n")
    return labels


def write_class_folders(root: Path) -> Path:
    """Write RAF-DB as people re-pack it, train/1..7 and test/1..7; return the folder of a class."""
    for split in ("train", "test"):
        for kind in range(1, 8):
            folder = root / "DATASET" / split / str(kind)
            folder.mkdir(parents=True)
            for number in range(2):
                name = f"{split}_{kind}{number}_aligned.jpg"
                picture(10 * kind + number).save(folder / name)
    return root / "DATASET/train/3"


def write_afew(root: Path) -> Path:
    """Write AFEW as folders of frames; return the folder of one clip."""
    for place, split in enumerate(("Train_AFEW", "Val_AFEW")):
        for kind, name in enumerate(AFEW):
            for clip in range(3):
                number = 100_000 * (place + 1) + 1000 * kind + clip
                folder = root / "AFEW" / split / name / f"{number:09}"
                folder.mkdir(parents=True)
                for frame in range(2):
                    picture(number + frame).save(folder / f"{frame + 1:03}.jpg")
    return root / "AFEW/Train_AFEW/Sad/000105000"


def write_mixed(root: Path) -> Path:
    """Write RAF-DB basic and AFEW side by side; return the folder of both."""
    write_rafdb(root)
    write_afew(root)
    return root


def write_folder(root: Path) -> Path:
    """Write three classes of three pictures; return the folder of one class."""
    for kind, name in enumerate(("anger", "fear", "joy")):
        (root / "faces" / name).mkdir(parents=True)
        for number in range(3):
            picture(10 * kind + number).save(root / "faces" / name / f"{number}.jpg")
    return root / "faces/joy"


def write_csv(root: Path) -> Path:
    """Write a list over the pictures of `write_folder`; return it."""
    write_folder(root)
    lines = [
        f"faces/{path.parent.name}/{path.name},{path.parent.name}"
        for path in sorted(root.glob("faces/*/*.jpg"))
    ]
    (root / "list.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    return root / "list.csv"


def write_subjects(root: Path) -> Path:
    """Write a list of three subjects, a picture a class each; return it."""
    write_folder(root)
    lines = ["path,label,group"]
    for name, label in (("anger", "anger"), ("fear", "neutral"), ("joy", "happiness")):
        lines += [f"faces/{name}/{number}.jpg,{label},{number}" for number in range(3)]
    (root / "subjects.csv").write_text("\n".join(lines) + "\n")
    return root / "subjects.csv"


def write_layout(name: str, root: Path, people: int = 3) -> Path:
    """Write the example of a data set's layout, of so many people in plain pictures; return its
    folder."""
    adapter = find_adapter(name)
    assert adapter.write is not None
    folder = root / adapter.home
    folder.mkdir()
    adapter.write(folder, DrawnSet(root, people, _plain))
    return folder


def _plain(portraits: Sequence[Portrait]) -> list[list[Image.Image]]:
    return [[picture(number)] for number, _ in enumerate(portraits)]
