"""A camera's frames as the page gets them: JPEGs that are decoded, searched and classified."""

import io
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarking.setting import Setting
from fewshot_fer.system.errors import RunError

FRAME = (640, 480)
FRAMES = 30
SIDE = 220  # pixels of the face


def draw_frames(demo: Path, count: int) -> list[Image.Image]:
    """Return frames in which a drawn face moves and turns before a background with structure."""
    table = pd.read_csv(demo / "labels.csv")
    front = table["has_face"].eq(1) & table["yaw_degrees"].abs().lt(8)
    aligned = table["path"].str.contains("basic/Image/aligned")
    face = Image.open(demo / table[front & aligned]["path"].iloc[0]).convert("RGB")
    face = face.resize((SIDE, SIDE))
    coarse = np.random.default_rng(0).integers(60, 200, (12, 16, 3), dtype=np.uint8)
    background = Image.fromarray(coarse).resize(FRAME, Image.Resampling.BICUBIC)
    frames = []
    for number in range(count):
        frame = background.copy()
        place = (200 + round(40 * np.sin(number / 6)), 120 + round(20 * np.sin(number / 4)))
        frame.paste(face.rotate(4 * np.sin(number / 5)), place)
        frames.append(frame)
    return frames


class Stream:
    """The page's classifier with the starter, and a visitor's camera."""

    def __init__(self, setting: Setting) -> None:
        """setting: its faces are the folder of the embedded set."""
        from fewshot_fer.data.faces.detector import load_detector
        from fewshot_fer.inference.crops import Cropper
        from fewshot_fer.inference.enrol import Enrolment
        from fewshot_fer.inference.page.classify import PictureClassifier
        from fewshot_fer.inference.page.visitor import Visitor
        from fewshot_fer.runs.starter import starter

        run = starter()
        cropper = Cropper(run.image_size, load_detector(setting.device))
        self.page = PictureClassifier(run, Enrolment(run.support, {}), cropper)
        self.visitor = Visitor()
        self.frames = [_jpeg(frame) for frame in draw_frames(setting.faces, FRAMES)]
        self.seen = 0

    def follow(self, count: int) -> float:
        """Return seconds a frame where a face is followed, as the page does it."""
        return self._seconds(count, forget=False)

    def search(self, count: int) -> float:
        """Return seconds a frame where all of each is searched."""
        return self._seconds(count, forget=True)

    def _seconds(self, count: int, forget: bool) -> float:
        started = time.perf_counter()
        for _ in range(count):
            with Image.open(io.BytesIO(self.frames[self.seen % FRAMES])) as frame:
                pixels = np.asarray(frame.convert("RGB"))
            self.seen += 1
            if forget:
                self.visitor.live = None
            if self.page.classify_frame(pixels, self.visitor).probabilities is None:
                raise RunError("no face was found in a frame")
        return (time.perf_counter() - started) / count


def _jpeg(frame: Image.Image) -> bytes:
    stream = io.BytesIO()
    frame.save(stream, format="JPEG", quality=90)
    return stream.getvalue()
