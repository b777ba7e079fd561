"""What a run leaves and later commands read: checkpoints, configurations, episodes, stores."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch

from bad_input.case import LINE, WORKS, Case, edited, folder_instead, gone, text

MARK = "mark_of_a_stranger"  # what a payload would leave


class Payload:
    """A pickle of it makes a file where it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (MARK, "w")


def checkpoints() -> list[Case]:
    """`best.pt` of a trained run, which `test` reads."""
    kind = "checkpoint"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[: len(raw) // 2])),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone, LINE, "no checkpoint"),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", _hostile_torch),
        Case(kind, "hostile: weights of a billion numbers", _bomb),
        Case(kind, "weights of another network", _other_network),
        Case(kind, "of a later version", _later),
    ]


def configs() -> list[Case]:
    """`config.yaml` of a trained run."""
    kind = "config.yaml"
    hostile = f"!!python/object/apply:os.system ['touch {MARK}']\n"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[: len(raw) // 2])),
        Case(kind, "empty", text("")),
        Case(kind, "NUL bytes", edited(lambda raw: raw + b"\x00")),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "a list in its place", text("- a\n- b\n")),
        Case(kind, "a key that is not known", edited(lambda raw: raw + b"n_wya: 3\n")),
        Case(kind, "a value of the wrong type", edited(_a_word_for_a_seed)),
        Case(kind, "missing", gone),
        Case(kind, "hostile: a tag that runs code", text(hostile)),
        Case(kind, "CRLF", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
    ]


def episode_files() -> list[Case]:
    """A file of saved episodes, which `episodes.load=` reads."""
    kind = "saved episodes"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[: len(raw) // 2])),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "of other images", _other_episodes),
        Case(kind, "hostile: a pickle in an array", _hostile_array),
    ]


def support_stores() -> list[Case]:
    """A support that `predict enrol=` stored."""
    kind = "support store"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[: len(raw) // 2])),
        Case(kind, "empty", text(b"")),
        Case(kind, "missing", gone),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", _hostile_torch),
        Case(kind, "a checkpoint in its place", _checkpoint_instead),
    ]


def caches() -> list[Case]:
    """A pack of decoded images in the cache."""
    kind = "cache"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[:-10]), WORKS),
        Case(kind, "empty", text(b""), WORKS),
        Case(kind, "a flipped byte", edited(_flipped), WORKS),
        Case(kind, "hostile: a pickle in its place", text(pickle.dumps(Payload(), 2)), WORKS),
        Case(kind, "of another version", edited(lambda raw: raw[: -4 * 35]), WORKS),
        Case(kind, "deleted", gone, WORKS),
    ]


def _a_word_for_a_seed(raw: bytes) -> bytes:
    return raw.replace(b"seed: 0", b"seed: x")


def _hostile_torch(path: Path) -> None:
    torch.save({"format": 1, "encoder": Payload()}, path)


def _bomb(path: Path) -> None:
    """Claim a storage of 4 GB in a file of a few bytes."""
    content = torch.load(path, weights_only=True)
    name = next(iter(content["encoder"]))
    content["encoder"][name] = torch.zeros(1).expand(1_000_000_000)
    torch.save(content, path)


def _other_network(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["encoder"] = {"other.weight": torch.zeros(3)}
    torch.save(content, path)


def _later(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "format": 99}, path)


def _other_episodes(path: Path) -> None:
    with np.load(path, allow_pickle=False) as content:
        arrays = dict(content)
    for name, array in arrays.items():
        if name.endswith(("support", "query")):
            arrays[name] = array + 1_000_000
    np.savez(path, **arrays)


def _hostile_array(path: Path) -> None:
    with np.load(path, allow_pickle=False) as content:
        names = list(content)
    raw = io.BytesIO()
    np.save(raw, np.array([Payload()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(f"{name}.npy", raw.getvalue())


def _checkpoint_instead(path: Path) -> None:
    (path.parent / "best.pt").replace(path)


def _flipped(raw: bytes) -> bytes:
    place = len(raw) // 2
    return raw[:place] + bytes([raw[place] ^ 255]) + raw[place + 1 :]
