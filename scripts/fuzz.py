"""Change files at random; none may end in a traceback.

    python scripts/fuzz.py                      10,000 label lists, 2,000 pictures and more
    python scripts/fuzz.py --only pictures      one kind
    python scripts/fuzz.py --guided pictures    guided by coverage: pip install "fewshot_fer[fuzz]"

Kinds: labels (RAF-DB's lists), lists (CSV), pictures, checkpoints (with support, calibration and
training side), stores (of supports), episodes, configs. Whatever the tool's own reader says about a
file must be an error for the user (exit code 2, one line) or an answer; anything else is printed
with the input that caused it, which is kept in outputs/fuzz/. Exit code 1 if there was one.
"""

import argparse
import contextlib
import inspect
import logging
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from fuzzing.changing import changed, changed_values
from fuzzing.kinds import KINDS

from fewshot_fer.system.errors import UserError

KEPT = Path("outputs/fuzz")


def main() -> int:
    """Return 0 where every input was answered or refused."""
    options = _options()
    warnings.simplefilter("ignore")  # Pillow's, of torn EXIF
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if options.guided:
            return _guided(options.guided, options.seconds, folder)
        chosen = [options.only] if options.only else list(KINDS)
        counts = {kind: max(1, round(KINDS[kind].count * options.share)) for kind in chosen}
        faults = [_mutated(kind, counts[kind], options.seed, folder) for kind in chosen]
    return 1 if any(faults) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(KINDS), help="one kind alone")
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", choices=list(KINDS), help="by coverage, for --seconds")
    parser.add_argument("--seconds", type=int, default=60, help="of --guided")
    return parser.parse_args()


def _mutated(kind: str, count: int, seed: int, folder: Path) -> int:
    """Try `count` changed inputs of a kind; return how many ended in a traceback."""
    chance = random.Random(f"{kind} {seed}")
    good, file = KINDS[kind].good(folder), folder / KINDS[kind].name
    refused = faults = 0
    for number in range(count):
        in_torch = file.suffix == ".pt" and number % 2
        raw = (changed_values if in_torch else changed)(chance.choice(good), chance)
        file.write_bytes(raw)
        try:
            KINDS[kind].read(file)
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


def _keep(kind: str, number: int, raw: bytes) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{kind}_{number}").write_bytes(raw)
    print(f"{KEPT / f'{kind}_{number}'}:", file=sys.stderr)
    traceback.print_exc()


def _guided(kind: str, seconds: int, folder: Path) -> int:
    """Let atheris look for inputs that reach new lines; it ends the process at a traceback."""
    import atheris

    KEPT.mkdir(parents=True, exist_ok=True)
    corpus, file = folder / "corpus", folder / KINDS[kind].name
    corpus.mkdir()
    good = KINDS[kind].good(folder)
    for number, raw in enumerate(good):
        (corpus / str(number)).write_bytes(raw)
    for module in KINDS[kind].watched():
        for function in _functions(module):
            atheris.instrument_func(function)

    def once(raw: bytes) -> None:
        file.write_bytes(raw)
        with contextlib.suppress(UserError):
            KINDS[kind].read(file)

    words = [f"-max_total_time={seconds}", f"-max_len={2 * max(map(len, good))}"]
    words += [f"-artifact_prefix={KEPT}/{kind}_", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *words], once)
    atheris.Fuzz()
    return 0


def _functions(module: ModuleType) -> Iterator[Callable[..., object]]:
    """Yield the functions of a module and the methods of its classes."""
    for value in list(vars(module).values()):
        own = getattr(value, "__module__", None) == module.__name__
        if inspect.isfunction(value) and own:
            yield value
        elif inspect.isclass(value) and own:
            yield from (each for each in vars(value).values() if inspect.isfunction(each))


if __name__ == "__main__":
    sys.exit(main())
