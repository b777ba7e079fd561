"""Random changes: to bytes, and to what a file of torch's holds."""

import io
import random
from typing import Any

import torch

PIECES = (
    *(b"\x00", b"\n", b"\r", b"..", b"/", b"\\", b" ", b"\xff\xfe", b"\xef\xbb\xbf", b"9" * 20),
    *("얼굴 🙂".encode(), b"train_", b".jpg", b"-1", b"1e9", b"\xed\xa0\x80", b"\t" * 9, b""),
    *(b'"', b",", b"[", b"{", b": ", b"!!int ", b"&a ", b"*a", b"${oc.env:HOME}", b"null"),
)
NAN = float("nan")


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


def changed_values(raw: bytes, chance: random.Random) -> bytes:
    """Return a file of torch's with one to three of its values replaced, or taken out.

    Bytes alone are mostly caught by the archive's checksums; this reaches what stands behind them.
    """
    content = torch.load(io.BytesIO(raw), weights_only=True)
    for _ in range(chance.randint(1, 3)):
        _change_one(content, chance)
    held = io.BytesIO()
    torch.save(content, held)
    return held.getvalue()


def _change_one(content: Any, chance: random.Random) -> None:  # noqa: ANN401
    """Go down into dicts and lists at random, and change what is found there."""
    while True:
        keys: list[Any] = list(content) if isinstance(content, dict) else list(range(len(content)))
        if not keys:
            return
        key = chance.choice(keys)
        below = content[key]
        if isinstance(below, dict | list) and below and chance.random() < 0.8:
            content = below
            continue
        if chance.random() < 0.2:
            del content[key]
        else:
            content[key] = _odd(chance)
        return


def _odd(chance: random.Random) -> Any:  # noqa: ANN401
    values: list[Any] = [
        *(None, True, -1, 0, 10**30, 0.5, NAN, float("inf"), "", "x", "\x00", b"x"),
        *([], {}, [1], [[]], {"x": 1}, {1: "x"}, (), (1, "x")),
        *(torch.zeros(0), torch.tensor(NAN), torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64)),
        *(
            torch.ones(3, 3, dtype=torch.bool),
            torch.full((2, 3), NAN),
            torch.zeros(1).expand(10**12),
        ),
        *(torch.zeros(2, 2).to_sparse(), torch.zeros(2, dtype=torch.complex64)),
    ]
    return chance.choice(values)
