"""Change label lists, pictures and checkpoints at random; none may end in a traceback.

    python scripts/fuzz.py                      10,000 label lists, 2,000 pictures, 500 checkpoints
    python scripts/fuzz.py --guided pictures    guided by coverage (needs: pip install atheris)

Whatever the tool's own reader says about a file must be an error for the user (exit code 2, one
line) or an answer; anything else is printed with the input that caused it, which is kept in
outputs/fuzz/. Exit code 1 if there was one.
"""

import argparse
import contextlib
import inspect
import io
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from fewshot_fer import checkpoints
from fewshot_fer.checkpoints import Checkpoint, save_checkpoint
from fewshot_fer.data import decode as decoding
from fewshot_fer.data import label_list
from fewshot_fer.errors import UserError

PIECES = (
    b"\x00",
    b"\n",
    b"\r",
    b"..",
    b"/",
    b"\\",
    b" ",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"9" * 20,
    "얼굴 🙂".encode(),
    b"train_",
    b".jpg",
    b"-1",
    b"1e9",
    b"\xed\xa0\x80",
    b"\t" * 9,
    b"",
)
KINDS = ("labels", "pictures", "checkpoints")


def main() -> int:
    """Return 0 where every input was answered or refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, default=10_000)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--checkpoints", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", choices=KINDS, help="by coverage, until --runs are done")
    parser.add_argument("--runs", type=int, default=100_000, help="of --guided")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow's, of torn EXIF
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "input"
        if options.guided:
            return _guided(options.guided, options.runs, file)
        counts = (options.labels, options.pictures, options.checkpoints)
        faults = [
            _mutated(kind, count, options.seed, file)
            for kind, count in zip(KINDS, counts, strict=True)
        ]
    return 1 if any(faults) else 0


def _mutated(kind: str, count: int, seed: int, file: Path) -> int:
    """Try `count` changed inputs of a kind; return how many ended in a traceback."""
    chance = random.Random(f"{kind} {seed}")
    good, read = seeds(kind, file.parent), reader(kind)
    refused = faults = 0
    for number in range(count):
        raw = changed(chance.choice(good), chance)
        file.write_bytes(raw)
        try:
            read(file)
        except UserError:
            refused += 1
        except Exception:
            faults += 1
            _keep(kind, number, raw)
    print(
        f"{kind}: {count} inputs, {refused} refused, {count - refused - faults} read, "
        f"{faults} tracebacks",
        flush=True,
    )
    return faults


def changed(raw: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to eight changes: cut, flipped, put in, doubled, moved."""
    content = bytearray(raw)
    for _ in range(chance.randint(1, 8)):
        start, end = sorted(chance.randint(0, len(content)) for _ in range(2))
        kind = chance.randrange(6)
        if kind == 0:
            del content[start : min(end, start + 40)]
        elif kind == 1 and content:
            content[min(start, len(content) - 1)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            content[start:start] = chance.choice(PIECES)
        elif kind == 3:
            content[start:start] = content[start : min(end, start + 200)]
        elif kind == 4:
            content[start : start + 4] = chance.randbytes(4)
        else:
            del content[end:]
    return bytes(content)


def seeds(kind: str, folder: Path) -> list[bytes]:
    """Return good inputs of a kind, to be changed."""
    if kind == "labels":
        lines = [f"train_{number:05}.jpg {number % 7 + 1}" for number in range(1, 40)]
        return ["\n".join(lines).encode(), "\r\n".join(lines[:5]).encode(), lines[0].encode()]
    if kind == "pictures":
        return [
            _picture(mode, form)
            for mode, form in (
                ("RGB", "jpeg"),
                ("L", "jpeg"),
                ("CMYK", "jpeg"),
                ("RGB", "png"),
                ("P", "png"),
                ("I;16", "png"),
                ("RGBA", "png"),
                ("P", "gif"),
                ("RGB", "bmp"),
                ("RGB", "tiff"),
                ("RGB", "webp"),
            )
        ]
    path = folder / "seed.pt"
    weights = {"a.weight": torch.arange(12.0).reshape(3, 4), "a.bias": torch.zeros(3)}
    save_checkpoint(path, Checkpoint(weights, 1, 0.5, ["x", "y"], 32, {"state": {}}))
    return [path.read_bytes()]


def _picture(mode: str, form: str) -> bytes:
    gradient = Image.linear_gradient("L").resize((48, 40))
    picture = gradient.convert("I").convert(mode) if mode == "I;16" else gradient.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    held = io.BytesIO()
    picture.save(held, format=form, **({"exif": exif} if form in ("jpeg", "png", "webp") else {}))
    return held.getvalue()


def reader(kind: str) -> Callable[[Path], object]:
    """Return what the tool itself reads a file of a kind with."""
    if kind == "labels":
        return lambda path: label_list.read_label_list(path, 7)
    if kind == "pictures":
        return lambda path: decoding.decode(path, 32)
    return lambda path: checkpoints.load_checkpoint(path)


def _keep(kind: str, number: int, raw: bytes) -> None:
    folder = Path("outputs/fuzz")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind}_{number}").write_bytes(raw)
    print(f"{folder / f'{kind}_{number}'}:", file=sys.stderr)
    traceback.print_exc()


def _guided(kind: str, runs: int, file: Path) -> int:
    """Let atheris look for inputs that reach new lines; it ends the process at a traceback."""
    import atheris

    corpus = file.parent / "corpus"
    corpus.mkdir()
    for number, raw in enumerate(seeds(kind, file.parent)):
        (corpus / str(number)).write_bytes(raw)
    module = {"labels": label_list, "pictures": decoding, "checkpoints": checkpoints}[kind]
    for name, function in list(vars(module).items()):
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            setattr(module, name, atheris.instrument_func(function))
    read = reader(kind)

    def once(raw: bytes) -> None:
        file.write_bytes(raw)
        with contextlib.suppress(UserError):
            read(file)

    atheris.Setup([sys.argv[0], f"-runs={runs}", "-max_len=4096", str(corpus)], once)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
