"""Draw a shot, one picture or a clip: its person, expression and scene, as JPEG with the facts."""

from dataclasses import replace
from io import BytesIO
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot_fer.data.demo import action_units, picture
from fewshot_fer.data.demo.identity import Identity, draw_identity
from fewshot_fer.data.demo.mesh import load_head
from fewshot_fer.data.demo.plan import NO_FACE, Moment, Shot, draw_moments
from fewshot_fer.data.demo.scene import Scene, develop, draw_background, draw_scene

_STILL = Moment(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Facts(NamedTuple):
    """A row of labels.csv.

    frame counts from 1 in a clip and is -1 outside; strength is the share of the full expression
    0..1; angles are the head's, in degrees, positive towards the right of the picture, downwards
    and counter-clockwise; has_face is 0 where the face has left the picture.
    """

    path: str
    dataset: str
    split: str
    label: str
    identity: int
    clip: str
    frame: int
    action_units: str
    strength: float
    age: int
    gender: str
    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float
    has_face: int


class Drawn(NamedTuple):
    """One finished picture: JPEG bytes and what they show."""

    jpeg: bytes
    facts: Facts


def play(shot: Shot, seed: int) -> list[Drawn]:
    """Draw every picture of a shot; a pure function of the shot and the seed."""
    head, generator = load_head(), np.random.default_rng([seed, 4, shot.key])
    person = draw_identity(head, seed, shot.person)
    body = picture.make_body(head, person)
    units = action_units.draw_units(shot.label, generator)
    apex = float(generator.uniform(0.6, 1.0))
    strengths = action_units.draw_strengths(shot.label, units, apex, generator)
    scene = draw_scene("film" if shot.clip else "still", generator)
    moments = draw_moments(len(shot.paths), generator) if shot.clip else [_STILL]
    drawn = []
    for number, moment in enumerate(moments):
        now = _moved(scene, moment)
        if NO_FACE in shot.paths[number]:
            image = develop(draw_background(now), now, generator)
        else:
            shown = action_units.scaled(strengths, moment.strength)
            image = picture.draw_picture(head, person, body, shown, now, generator)
        facts = _facts(shot, number, person, units, apex * moment.strength, now)
        drawn.append(Drawn(_jpeg(image, scene.quality), facts))
    return drawn


def _moved(scene: Scene, moment: Moment) -> Scene:
    return replace(
        scene,
        yaw=scene.yaw + moment.yaw,
        pitch=scene.pitch + moment.pitch,
        roll=scene.roll + moment.roll,
        shift=(scene.shift[0] + moment.right, scene.shift[1] + moment.down),
    )


def _facts(
    shot: Shot,
    number: int,
    person: Identity,
    units: tuple[int, ...],
    strength: float,
    scene: Scene,
) -> Facts:
    has_face = NO_FACE not in shot.paths[number]
    yaw, pitch, roll = (float(np.degrees(a)) for a in (scene.yaw, scene.pitch, scene.roll))
    return Facts(
        path=shot.paths[number],
        dataset=shot.dataset,
        split=shot.split,
        label=shot.label,
        identity=shot.person,
        clip=shot.clip,
        frame=number + 1 if shot.clip else -1,
        action_units=action_units.written(units) if has_face else "",
        strength=round(strength, 3) if has_face and units else 0.0,
        age=person.age,
        gender=person.sex,
        yaw_degrees=round(yaw, 1),
        pitch_degrees=round(pitch, 1),
        roll_degrees=round(roll, 1),
        has_face=int(has_face),
    )


def _jpeg(image: NDArray[np.uint8], quality: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return stream.getvalue()
