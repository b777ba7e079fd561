"""Read AffectNet: re-packed, as photographs with the lists of the release, or in class folders.

Mollahosseini et al., "AffectNet: a database for facial expression, valence, and arousal computing
in the wild", IEEE Transactions on Affective Computing 2019. Its test split was never released.
"""

import io
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot_fer.data.adapters.affectnet_folders import class_folder_rows
from fewshot_fer.data.adapters.affectnet_list import CLASSES, N_IDS, listed_rows
from fewshot_fer.data.adapters.registry import DrawnSet, Portrait, find_adapter, register_adapter
from fewshot_fer.data.listing import child, contents, image_names_in, left_out_remarks, nested_roots
from fewshot_fer.data.table import make_table
from fewshot_fer.system.cores import core_count
from fewshot_fer.system.errors import DataError
from fewshot_fer.system.files import Row
from fewshot_fer.system.progress import tqdm

ROOTS = ("AffectNet", "AffectNet-8", "AffectNet8", "Manually_Annotated")
SETS = {"train": "train_set", "val": "val_set"}
ENDING = "_exp.npy"
BLOCK = 256  # files that a thread reads in turn
# Re-packed: 287,568 in all for training, 283,901 of them of the first seven; 500 each in val.
_TRAIN = (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3667)
COUNTS = {
    "train": dict(zip(CLASSES, _TRAIN, strict=True)),
    "val": dict.fromkeys(CLASSES, 500),
}


def write_affectnet(folder: Path, drawn: DrawnSet) -> None:
    """Write the re-packed form: numbered pictures, and for each four files of one array."""
    for first, split in zip((4000, 4100), SETS.values(), strict=True):
        people = range(first, first + drawn.people)
        portraits = [Portrait(label, person) for person in people for label in CLASSES]
        images, annotations = folder / split / "images", folder / split / "annotations"
        images.mkdir(parents=True)
        annotations.mkdir()
        for number, (picture,) in enumerate(drawn.draw(portraits)):
            picture.resize((224, 224)).save(images / f"{number}.jpg", quality=95)
            texts = {"exp": str(number % len(CLASSES)), "val": "0.1", "aro": "0.2"}
            for kind, text in texts.items():
                np.save(annotations / f"{number}_{kind}.npy", np.array(text))
            np.save(annotations / f"{number}_lnd.npy", np.full(136, 112.0))


@register_adapter(
    "affectnet",
    "AffectNet/{train_set,val_set}/images/0.jpg and annotations/0_exp.npy, or "
    "Manually_Annotated_Images/ and training.csv, validation.csv, or train/<class>/*.jpg and "
    "val/<class>/*.jpg",
    counts=COUNTS,
    differs="the counts are those of the re-packed copy, other copies have others",
    write=write_affectnet,
    home="AffectNet",
)
def read_affectnet(data: Path) -> pd.DataFrame:
    """Return the FaceTable of the eight classes, splits train and val.

    data: the folder that holds AffectNet, or AffectNet itself. Faces of the release's lists are
    the parts of photographs within their boxes. Raises DataError where nothing is found, or naming
    the file and line.
    """
    roots = nested_roots(data.absolute(), ROOTS)
    left_out: Counter[str] = Counter()
    for root in roots:
        if folders := _repacked_folders(root):
            rows, said = _repacked_rows(folders, left_out)
            break
    else:
        rows, said = listed_rows(roots) or class_folder_rows(roots, left_out) or ([], [])
    if not rows:
        raise find_adapter("affectnet").not_found(data, roots[0])
    whole = [{**row, "dataset": "affectnet"} for row in rows]
    return make_table(whole, remarks=[*said, *left_out_remarks(left_out, roots[0])])


def _repacked_folders(root: Path) -> dict[str, tuple[Path, Path]]:
    """Return split -> folders of images and annotations, of those splits that are there.

    Raises DataError where one of them has images alone.
    """
    found, halves = {}, []
    for split, name in SETS.items():
        folder = child(root, name)
        images = folder and child(folder, "images")
        annotations = folder and child(folder, "annotations")
        if images and annotations:
            found[split] = images, annotations
        elif images:
            halves.append(images.parent)
    if halves and (found or "affectnet" in root.name.casefold()):
        raise DataError(
            f"{halves[0]} has no annotations beside images ({contents(halves[0])}): expected "
            f"annotations/0_exp.npy and the others"
        )
    return found


def _repacked_rows(
    folders: dict[str, tuple[Path, Path]], left_out: Counter[str]
) -> tuple[list[Row], list[str]]:
    """Return a row for each picture of the eight classes, and what to say of others.

    Raises DataError for a picture without annotation, and for one that is no id.
    """
    rows: list[Row] = []
    said = []
    others = 0
    for split, (images, annotations) in folders.items():
        names = sorted(image_names_in(images, left_out=left_out))
        stems = [name.rpartition(".")[0] for name in names]
        there = {name.casefold(): name for name in image_names_in(annotations, (ENDING,))}
        wanted = [stem.casefold() + ENDING for stem in stems]
        if missing := [stem for stem, name in zip(stems, wanted, strict=True) if name not in there]:
            raise DataError(
                f"{len(missing)} of the {len(names)} pictures in {images} have no annotation: the "
                f"first should be {annotations}/{missing[0]}{ENDING}"
            )
        ids = _read_ids([f"{annotations}/{there[name]}" for name in wanted])
        for name, number in zip(names, ids, strict=True):
            if number < len(CLASSES):
                rows.append({"path": f"{images}/{name}", "label": CLASSES[number], "split": split})
        others += sum(number >= len(CLASSES) for number in ids)
        if alone := len(there) - len(names):
            said.append(f"{annotations}: {alone} annotation(s) of pictures that are not there")
    if others:
        said.append(f"affectnet: {others} picture(s) without an expression (ids 8..10) left out")
    return rows, said


def _read_ids(files: list[str]) -> list[int]:
    """Return the id 0..10 in each file, in order. Raises DataError that names the file."""
    blocks = [files[start : start + BLOCK] for start in range(0, len(files), BLOCK)]
    bar = tqdm(total=len(files), desc="reading annotations", unit="file", disable=None, delay=2)
    ids: list[int] = []
    with bar, ThreadPoolExecutor(core_count()) as pool:  # disks of a network answer several at once
        for read in pool.map(lambda block: [_read_id(file) for file in block], blocks):
            ids += read
            bar.update(len(read))
    return ids


def _read_id(file: str) -> int:
    try:
        with open(file, "rb", buffering=0) as stream:  # noqa: PTH123 - as in `fingerprint`
            return _id_in(stream.read())
    except (ValueError, EOFError, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{file} is no array of one id 0..{N_IDS - 1}, as text or number: {reason}"
        ) from error


@lru_cache(maxsize=1024)  # 287,000 files have some ten contents
def _id_in(content: bytes) -> int:
    try:
        found = int(np.load(io.BytesIO(content), allow_pickle=False).item())
    except ValueError:  # NumPy's own message would have people unpickle the file
        raise ValueError("it is no plain array of one whole number") from None
    if not 0 <= found < N_IDS:
        raise ValueError(f"found {found}")
    return found
