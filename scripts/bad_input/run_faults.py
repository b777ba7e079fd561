"""Faults of a run's files: damaged, incomplete, or written by a stranger with code in them."""

import io
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import torch

from bad_input.case import Spoil, flipped, replaced

MARK = "mark_of_a_stranger"  # what a payload would leave


class Payload:
    """A pickle of it makes a file where it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (MARK, "w")


def a_word_for_a_seed(raw: bytes) -> bytes:
    return raw.replace(b"seed: 0", b"seed: x")


def hostile_torch(path: Path) -> None:
    torch.save({"format": 1, "encoder": Payload()}, path)


def bomb(path: Path) -> None:
    """Claim a storage of 4 GB in a file of a few bytes."""
    content = torch.load(path, weights_only=True)
    name = next(iter(content["encoder"]))
    content["encoder"][name] = torch.zeros(1).expand(1_000_000_000)
    torch.save(content, path)


def other_network(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["encoder"] = {"other.weight": torch.zeros(3)}
    torch.save(content, path)


def later(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "format": 99}, path)


def other_episodes(path: Path) -> None:
    with np.load(path, allow_pickle=False) as content:
        arrays = dict(content)
    for name, array in arrays.items():
        if name.endswith(("support", "query")):
            arrays[name] = array + 1_000_000
    np.savez(path, **arrays)


def hostile_array(path: Path) -> None:
    with np.load(path, allow_pickle=False) as content:
        names = list(content)
    raw = io.BytesIO()
    np.save(raw, np.array([Payload()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"{name}.npy", raw.getvalue())


def checkpoint_instead(path: Path) -> None:
    (path.parent / "best.pt").replace(path)


def put(field: str, value: object) -> Spoil:
    def spoil(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        torch.save({**content, field: value}, path)

    return spoil


def flipped_weights(path: Path) -> None:
    """Invert a byte of the first weights, wherever in the file they lie."""
    flip(next(iter(torch.load(path, weights_only=True)["encoder"].values())), path)


def flipped_embeddings(path: Path) -> None:
    flip(torch.load(path, weights_only=True)["embeddings"], path)


def flip(values: torch.Tensor, path: Path) -> None:
    raw = bytes(values.untyped_storage())
    replaced(raw, flipped(raw))(path)


def no_numbers(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    next(iter(content["encoder"].values())).fill_(float("nan"))
    torch.save(content, path)


def narrow_side(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    side = content["training_side"]
    side["mean"] = side["mean"][:3]
    side["prototypes"] = {kind: each[:, :3] for kind, each in side["prototypes"].items()}
    torch.save(content, path)


def never_learnt(path: Path) -> None:
    """Compose classes by a map that is not in the checkpoint."""
    text = re.sub(r"(?<=\nmethod:\n  name: )\S+", "composed", path.read_text())
    path.write_text(text.replace("composition: mean", "composition: learnt"))


def asking(path: Path) -> None:
    path.write_text(re.sub(r"(?m)^  data: /.*$", "  data: ${oc.env:HOME}", path.read_text()))


def doubling() -> str:
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    return "\n".join(["a0: &a0 [x]", *lines])


def elsewhere(raw: bytes) -> bytes:
    return raw.replace(b"  data: /", b"  data: /gone/")


def of_others(raw: bytes) -> bytes:
    return raw.replace(b'"pictures": "', b'"pictures": "other')


def exchanged_pictures(path: Path) -> None:
    """Give two pictures each other's content, under the names, and with the time, that they had."""
    first, second = sorted(path.parent.glob("RAF-DB/basic/Image/aligned/*"))[:2]
    before = [(file, other.read_bytes()) for file, other in ((first, second), (second, first))]
    times = (first.stat().st_mtime_ns, second.stat().st_mtime_ns)
    for (file, content), time in zip(before, times, strict=True):
        file.write_bytes(content)
        os.utime(file, ns=(time, time))


def torn_digests(pack: Path) -> None:
    for file in (pack.parent.parent / "contents").iterdir():
        file.write_bytes(file.read_bytes()[:-30])


def moved(run: Path) -> None:
    run.rename(run.with_name("moved"))


def file_instead(run: Path) -> None:
    moved(run)
    run.write_text("a file")


def linked_table(run: Path) -> None:
    (run / "metrics.csv").unlink()
    (run / "metrics.csv").symlink_to(run.parent / MARK)


def saving_elsewhere(run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("save: episodes.npz", f"save: {MARK}"))


def half(path: Path) -> None:
    path.write_bytes(b"PK")
