"""Draw one picture of one person in one scene: geometry, rasterising, light, film."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fewshot_fer.data.demo import hair, skin
from fewshot_fer.data.demo.action_units import Strengths, unit_weights
from fewshot_fer.data.demo.identity import Identity
from fewshot_fer.data.demo.mesh import Floats, Fragments, Head, rasterise, vertex_normals
from fewshot_fer.data.demo.scene import EDGE, FINER, SIZE, Scene, develop, draw_background

Bytes = NDArray[np.uint8]
# Crop of RAF-DB's aligned faces: eyes at two fifths of the height, the chin near the lower edge.
_EYE_ROW = 40.0
_SCALE = 52.0


class Body(NamedTuple):
    """A person's neutral vertices [V, 3], and for alignment the eyes' middle and the size."""

    shape: Floats
    middle: Floats
    size: float


def make_body(head: Head, person: Identity) -> Body:
    """Return a person's neutral head, hair included."""
    bare = head.shape(person.phenotype, person.local)
    normals = vertex_normals(bare, head.triangles)
    shape = hair.stand_off(head, bare, normals, person.hair)
    right, left = (bare[eye].mean(0) for eye in head.eye_vertices)
    middle = (right + left) / 2
    mouth = bare[head.masks["lips"] > 0.8].mean(0)
    size = 0.55 * (middle[1] - mouth[1]) / 0.67 + 0.45 * (left[0] - right[0]) / 0.616
    return Body(shape, middle.astype(np.float32), float(size))


def draw_picture(
    head: Head,
    person: Identity,
    body: Body,
    strengths: Strengths,
    scene: Scene,
    generator: Generator,
) -> Bytes:
    """Return the finished picture [100, 100, 3] of a face."""
    canvas = draw_background(scene)
    # The hair behind turns with the back of the head, which goes the other way.
    column, row = _eye_place(scene)
    column -= 40 * FINER * np.sin(scene.yaw) * 0.5
    hair.paint_behind(canvas, person.hair, (column, row), _SCALE * FINER * scene.zoom)
    weights = unit_weights(head, strengths)
    _look(head, weights, scene.gaze)
    weights[[head.units["eyeWideLeft"], head.units["eyeWideRight"]]] += person.eye_opening
    vertices = head.express(body.shape, weights)
    turned, normals = _turn(head, vertices, body, scene)
    fragments = rasterise(_project(turned, scene), head.triangles, EDGE)
    surface, facing = _surface(head, fragments, normals)
    albedo, gloss = skin.paint(head, surface, person, strengths)
    canvas.reshape(-1, 3)[fragments.pixel] = _light(albedo, gloss, facing, surface, scene)
    return develop(canvas, scene, generator)


def _look(head: Head, weights: Floats, gaze: tuple[float, float]) -> None:
    """Add the turn of the eyes to the unit weights."""
    right, up = gaze
    sides = ("OutLeft", "InRight") if right > 0 else ("InLeft", "OutRight")
    for side in sides:
        weights[head.units["eyeLook" + side]] += min(abs(right), 1.0)
    for side in ("Left", "Right"):
        weights[head.units[f"eyeLook{'Up' if up > 0 else 'Down'}{side}"]] += min(abs(up), 1.0)


def _turn(head: Head, vertices: Floats, body: Body, scene: Scene) -> tuple[Floats, Floats]:
    """Return the head about the middle of the eyes, posed and in face units, and its normals."""
    sine, cosine = np.sin, np.cos
    y, p, r = scene.yaw, scene.pitch, scene.roll
    yaw = np.array([[cosine(y), 0, sine(y)], [0, 1, 0], [-sine(y), 0, cosine(y)]])
    pitch = np.array([[1, 0, 0], [0, cosine(p), -sine(p)], [0, sine(p), cosine(p)]])
    roll = np.array([[cosine(r), -sine(r), 0], [sine(r), cosine(r), 0], [0, 0, 1]])
    turned = ((vertices - body.middle) / body.size) @ (roll @ pitch @ yaw).T.astype(np.float32)
    return turned, vertex_normals(turned, head.triangles)


def _project(turned: Floats, scene: Scene) -> Floats:
    """Return pixels right, pixels down and nearness of every vertex, [V, 3]."""
    near = scene.distance / (scene.distance - turned[:, 2])
    scale = _SCALE * FINER * scene.zoom * near
    centre, row = _eye_place(scene)
    return np.stack(
        [centre + turned[:, 0] * scale, row - turned[:, 1] * scale, turned[:, 2]], axis=1
    ).astype(np.float32)


def _eye_place(scene: Scene) -> tuple[float, float]:
    """Return the column and row of the eyes' middle on the canvas."""
    # Of a turned face the far side is hidden; its middle lies beside the eyes' middle.
    column = SIZE / 2 + scene.shift[0] + 6 * np.sin(scene.yaw)
    row = _EYE_ROW + scene.shift[1] + 9 * np.sin(scene.pitch)
    return float(column * FINER), float(row * FINER)


def _surface(head: Head, fragments: Fragments, normals: Floats) -> tuple[skin.Surface, Floats]:
    """Return what paint needs to know of every fragment, and its unit normal [N, 3]."""
    masks = [head.masks[name][:, None] for name in ("lips", "eyelids", "inside-mouth")]
    carried = np.concatenate([head.vertices, *masks, normals], axis=1)
    values = fragments.interpolate(head.triangles, carried)
    facing = values[:, 6:]
    facing /= np.sqrt(facing[:, 0] ** 2 + facing[:, 1] ** 2 + facing[:, 2] ** 2).clip(1e-6)[:, None]
    part = head.parts.take(fragments.triangle)
    return skin.Surface(values[:, :3], part, values[:, 3:6]), facing


def _light(
    albedo: Floats, gloss: Floats, facing: Floats, surface: skin.Surface, scene: Scene
) -> Floats:
    """Return the light that leaves the surface towards the camera, linear [N, 3]."""
    diffuse = ((facing @ scene.lights.T + 0.2) * (1 / 1.2)).clip(0)
    light = diffuse @ scene.light_colors
    light += (0.75 + 0.25 * facing[:, 1:2]) * scene.ambient
    half = scene.lights + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = (facing @ half.T).clip(0)
    for _ in range(4):
        shine *= shine
    result = albedo * light * 1.25
    result += (shine @ scene.light_colors) * (gloss * 0.35)[:, None]
    # Light hardly reaches the back of the mouth.
    inside = (surface.part == 2) | (surface.part == 3) | (surface.masks[:, 2] > 0.5)
    deep = ((1.40 - surface.rest[:, 2]) / 0.35).clip(0, 0.85) * inside
    return np.asarray(result * (1 - deep)[:, None], np.float32)
