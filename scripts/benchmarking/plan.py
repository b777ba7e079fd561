"""The plan of one run of the benchmark, which every section gets: sizes, devices, systems."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarking.alternating import Ask, Figures, alternate
from benchmarking.faces import write_faces
from benchmarking.result import Target
from benchmarking.setting import Setting, Sizes
from benchmarking.worker import Factory, Worker

OURS, EASYFSL, PLAIN, ORIGINAL = "fewshot_fer", "easyfsl", "plain loop", "original's loop"
GPU_TURNS = 4  # times as long
SWEPT = "swept"  # folder of a sweep's runs, in that of the plan


@dataclass(frozen=True)
class Plan:
    """folder: temporary, for faces and packs; demo: the drawn faces; devices: cpu, cuda."""

    sizes: Sizes
    folder: Path
    demo: Path
    threads: int
    devices: tuple[str, ...]
    original: bool

    def setting(self, count: int, **changes: str | bool) -> Setting:
        """Return the setting of a process that sees `count` images; they are written first."""
        faces = self.folder / f"faces-{count}"
        if not faces.is_dir():
            write_faces(faces, count, self.demo)
        sizes, cache = self.sizes, self.folder / "cache"
        plain = Setting(faces, cache, self.threads, image_size=sizes.image_size)
        return replace(plain, filters=sizes.filters, **changes)  # type: ignore[arg-type]

    def systems(self, peers: bool = True) -> dict[str, Factory]:
        """Return fewshot_fer and its peers, as far as they are installed."""
        systems = {OURS: "benchmarking.ours:Ours"}
        if not peers:
            return systems
        if importlib.util.find_spec("easyfsl"):
            systems[EASYFSL] = "benchmarking.easyfsl_peer:EasyFsl"
        systems[PLAIN] = "benchmarking.plain_peer:PlainLoop"
        if self.original:
            systems[ORIGINAL] = "benchmarking.plain_peer:OriginalLoop"
        return systems

    def target(
        self, value: float, at_least: bool, backbone: str = "conv4", device: str = "cpu"
    ) -> Target | None:
        """Return what must be reached; None for other sizes, ResNets and GPUs."""
        asked = self.sizes.judged and (backbone, device) == ("conv4", "cpu")
        return Target(value, at_least) if asked else None

    def alternate(
        self, asks: dict[str, Ask], turns: int, what: str, device: str = "cpu"
    ) -> Figures:
        """Let systems take turns of this plan's length.

        Longer ones on a GPU: there the peers start loader processes, once an epoch in practice.
        """
        say(f"{what}: {', '.join(asks)}, {turns} turns")
        seconds = self.sizes.turn_seconds * (GPU_TURNS if device == "cuda" else 1)
        return alternate(asks, turns, seconds, what)


@contextmanager
def workers(systems: dict[str, Factory], setting: Setting) -> Iterator[dict[str, Worker]]:
    """Start a process for each system; they end with the block."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Worker(factory, setting)) for name, factory in systems.items()
        }


def say(line: str) -> None:
    """Print on stderr how far the benchmark is."""
    print(line, file=sys.stderr, flush=True)
