"""`prepare` on a folder of clips beside the detector alone on the same frames."""

import contextlib
import io
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import torch

from benchmarking.clips import blocks
from benchmarking.setting import Setting
from fewshot_fer.config.prepare_settings import PrepareVerb
from fewshot_fer.data.faces.detector import AT_ONCE, Pixels, load_detector
from fewshot_fer.data.faces.prepare import prepare_session
from fewshot_fer.data.faces.video import read_frames
from fewshot_fer.system.cores import core_count


class Preparing:
    """setting.faces: what `write_clips` wrote; each method is given the number of a block."""

    def __init__(self, setting: Setting) -> None:
        self.blocks, self.out = blocks(setting.faces), setting.cache
        self.detector = load_detector("cpu")
        self._clips: list[list[Pixels]] = []
        self._processor = 0.0

    def read(self, block: int) -> float:
        """Decode the frames of a block for the detector, and return their number."""
        files = sorted(self.blocks[block].iterdir())
        self._clips = [[frame.pixels for frame in read_frames(file)] for file in files]
        return float(sum(map(len, self._clips)))

    def detect(self, _: int) -> float:
        """Return seconds of finding the faces of what was read, in batches across clips."""
        return self._timed(lambda: self._detect(_batches([list(chain.from_iterable(self._clips))])))

    def detect_by_clip(self, _: int) -> float:
        """Return those where no batch reaches over the end of a clip."""
        return self._timed(lambda: self._detect(_batches(self._clips)))

    def prepare(self, block: int) -> float:
        """Return seconds from the block's videos to its folders of faces."""
        out = self.out / "faces"
        shutil.rmtree(out, ignore_errors=True)
        settings = PrepareVerb(videos=str(self.blocks[block]), out=str(out), device="cpu")
        with contextlib.redirect_stdout(io.StringIO()):
            return self._timed(lambda: prepare_session(settings))

    def processor(self, _: int) -> float:
        """Return the processor time of what was last asked for."""
        return self._processor

    def _detect(self, batches: Sequence[Sequence[Pixels]]) -> None:
        """Find faces as `prepare` does: a thread for each core, and a core for each."""
        torch.set_num_threads(1)
        with ThreadPoolExecutor(core_count()) as pool:
            list(pool.map(self.detector.detect, batches))

    def _timed(self, work: Callable[[], None]) -> float:
        processor, started = time.process_time(), time.perf_counter()
        work()
        self._processor = time.process_time() - processor
        return time.perf_counter() - started


def _batches(clips: Sequence[Sequence[Pixels]]) -> list[Sequence[Pixels]]:
    return [
        clip[start : start + AT_ONCE] for clip in clips for start in range(0, len(clip), AT_ONCE)
    ]
