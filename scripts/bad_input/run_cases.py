"""What a run leaves and later commands read: checkpoints, configurations, episodes, stores."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch

from bad_input.case import (
    LINE,
    WORKS,
    Case,
    Spoil,
    edited,
    flipped,
    folder_instead,
    gone,
    on,
    replaced,
    text,
    truncated,
)

MARK = "mark_of_a_stranger"  # what a payload would leave


class Payload:
    """A pickle of it makes a file where it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (MARK, "w")


def checkpoints() -> list[Case]:
    """`best.pt` of a trained run, which `test` reads."""
    kind = "checkpoint"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone, LINE, "no checkpoint"),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", _hostile_torch),
        Case(kind, "hostile: weights of a billion numbers", _bomb),
        Case(kind, "a flipped byte", _flipped_weights),
        Case(kind, "weights that are no numbers", _no_numbers, LINE, "encoder"),
        Case(kind, "class names that are no words", _put("class_names", 3), LINE, "class_names"),
        Case(kind, "of images of another size", _put("image_size", 99), LINE, "99 pixels"),
        Case(kind, "a training side of another width", _narrow_side, LINE, "training images"),
        Case(kind, "weights of another network", _other_network),
        Case(kind, "of a later version", _later),
    ]


def configs() -> list[Case]:
    """`config.yaml` of a trained run."""
    kind = "config.yaml"
    hostile = f"!!python/object/apply:os.system ['touch {MARK}']\n"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text("")),
        Case(kind, "NUL bytes", edited(lambda raw: raw + b"\x00")),
        Case(kind, "wrong encoding (UTF-16)", edited(lambda raw: raw.decode().encode("utf-16"))),
        Case(kind, "a list in its place", text("- a\n- b\n")),
        Case(kind, "a key that is not known", edited(lambda raw: raw + b"n_wya: 3\n")),
        Case(kind, "a value of the wrong type", edited(_a_word_for_a_seed)),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "a huge line", edited(lambda raw: raw + b"#" * 2_000_000), LINE, "larger"),
        Case(kind, "hostile: a tag that runs code", text(hostile)),
        Case(kind, "hostile: a variable of the environment", _asking, LINE, "paths.data"),
        Case(kind, "hostile: lists that double at every line", text(_doubling()), LINE, "repeats"),
        Case(kind, "BOM", edited(lambda raw: b"\xef\xbb\xbf" + raw), WORKS),
        Case(kind, "CRLF", edited(lambda raw: raw.replace(b"\n", b"\r\n")), WORKS),
    ]


def episode_files() -> list[Case]:
    """A file of saved episodes, which `episodes.load=` reads."""
    kind = "saved episodes"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text(b"")),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "missing", gone),
        Case(kind, "a folder in its place", folder_instead),
        Case(kind, "a flipped byte", edited(flipped)),
        Case(kind, "of other images", _other_episodes),
        Case(kind, "hostile: a pickle in an array", _hostile_array),
    ]


def support_stores() -> list[Case]:
    """A support that `predict enrol=` stored."""
    kind = "support store"
    return [
        Case(kind, "truncated", edited(truncated)),
        Case(kind, "empty", text(b"")),
        Case(kind, "missing", gone),
        Case(kind, "hostile: a pickle that runs code", text(pickle.dumps(Payload(), protocol=2))),
        Case(kind, "hostile: a torch file that runs code", _hostile_torch),
        Case(kind, "a flipped byte", _flipped_embeddings),
        Case(kind, "wrong type (text)", text("hello")),
        Case(kind, "a folder in its place", folder_instead, LINE),
        Case(kind, "a checkpoint in its place", _checkpoint_instead),
    ]


def stopped_runs() -> list[Case]:
    """The folder of a run that was stopped, which `train resume=` goes on with."""
    kind = "run to resume"
    return [
        Case(kind, "last.pt truncated", on("last.pt", edited(truncated)), LINE, "last.pt"),
        Case(kind, "last.pt empty", on("last.pt", text(b"")), LINE, "last.pt"),
        Case(kind, "last.pt of another network", on("last.pt", _other_network), LINE, "last.pt"),
        Case(kind, "last.pt without progress", on("last.pt", _put("progress", None)), LINE, "last"),
        Case(kind, "best.pt missing", on("best.pt", gone), LINE, "best.pt"),
        Case(kind, "config.yaml missing", on("config.yaml", gone), LINE, "config.yaml"),
        Case(kind, "config.yaml truncated", on("config.yaml", edited(truncated)), LINE),
        Case(kind, "missing", _moved, LINE, "run"),
        Case(kind, "a file in its place", _file_instead, LINE, "run"),
        Case(kind, "hostile: last.pt that runs code", on("last.pt", _hostile_torch), LINE, "last"),
        Case(kind, "hostile: a table that is a link elsewhere", _linked_table, LINE, "is a link"),
        Case(kind, "hostile: episodes.save names a file of yours", _saving_elsewhere, WORKS),
        Case(kind, "last.pt missing: begun anew", on("last.pt", gone), WORKS),
        Case(kind, "metrics.csv damaged: written anew", on("metrics.csv", text(b"\x00")), WORKS),
        Case(kind, "half-written files left", on(".last.pt.123", _half), WORKS),
    ]


def caches() -> list[Case]:
    """A pack of decoded images in the cache."""
    kind = "cache"
    return [
        Case(kind, "truncated", edited(lambda raw: raw[:-10]), WORKS),
        Case(kind, "empty", text(b""), WORKS),
        Case(kind, "a flipped byte", edited(flipped), WORKS),
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


def _put(field: str, value: object) -> Spoil:
    def spoil(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        torch.save({**content, field: value}, path)

    return spoil


def _flipped_weights(path: Path) -> None:
    """Invert a byte of the first weights, wherever in the file they lie."""
    _flip(next(iter(torch.load(path, weights_only=True)["encoder"].values())), path)


def _flipped_embeddings(path: Path) -> None:
    _flip(torch.load(path, weights_only=True)["embeddings"], path)


def _flip(values: torch.Tensor, path: Path) -> None:
    raw = bytes(values.untyped_storage())
    replaced(raw, flipped(raw))(path)


def _no_numbers(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    next(iter(content["encoder"].values())).fill_(float("nan"))
    torch.save(content, path)


def _narrow_side(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    side = content["training_side"]
    side["mean"] = side["mean"][:3]
    side["prototypes"] = {kind: each[:, :3] for kind, each in side["prototypes"].items()}
    torch.save(content, path)


def _asking(path: Path) -> None:
    path.write_text(path.read_text().replace("  data: .\n", "  data: ${oc.env:HOME}\n", 1))


def _doubling() -> str:
    lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    return "\n".join(["a0: &a0 [x]", *lines])


def _moved(run: Path) -> None:
    run.rename(run.with_name("moved"))


def _file_instead(run: Path) -> None:
    _moved(run)
    run.write_text("a file")


def _linked_table(run: Path) -> None:
    (run / "metrics.csv").unlink()
    (run / "metrics.csv").symlink_to(run.parent / MARK)


def _saving_elsewhere(run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("save: episodes.npz", f"save: {MARK}"))


def _half(path: Path) -> None:
    path.write_bytes(b"PK")
