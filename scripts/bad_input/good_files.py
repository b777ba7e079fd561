"""What is spoilt afterwards: tiny data sets in the real layouts, and a run trained on one."""

from pathlib import Path

import numpy as np
from PIL import Image

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
    faces = root / "RAF-DB/basic/Image/aligned"
    faces.mkdir(parents=True)
    lines = []
    for number in range(35):
        split = f"train_{number + 1:05}" if number < 21 else f"test_{number - 20:04}"
        picture(number).save(faces / f"{split}_aligned.jpg")
        lines.append(f"{split}.jpg {number % 7 + 1}")
    labels = root / "RAF-DB/basic/EmoLabel/list_patition_label.txt"
    labels.parent.mkdir()
    labels.write_text("\n".join(lines) + "\n")
    return labels


def write_afew(root: Path) -> Path:
    """Write AFEW as folders of frames; return a folder of one clip."""
    for place, split in enumerate(("Train_AFEW", "Val_AFEW")):
        for kind, name in enumerate(AFEW):
            for clip in range(2):
                number = 100_000 * (place + 1) + 1000 * kind + clip
                folder = root / "AFEW" / split / name / f"{number:09}"
                folder.mkdir(parents=True)
                for frame in range(2):
                    picture(number + frame).save(folder / f"{frame + 1:03}.jpg")
    return folder


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
