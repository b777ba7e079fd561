"""HTML of the page: bars of probabilities, faces with their neighbours, the taught classes."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape

from fewshot_fer.inference.explain import tile
from fewshot_fer.inference.inputs import Pixels
from fewshot_fer.inference.page.classify import Shown
from fewshot_fer.inference.page.visitor import Visitor
from fewshot_fer.inference.taught import LEAST_PICTURES

SIDE = 96  # pixels of a thumbnail
FindCrop = Callable[[str], Pixels | None]


def headline_html(text: str) -> str:
    """Return the sentence on what is shown."""
    return f"<h2>{escape(text)}</h2>" if text else ""


def bars_html(shares: Mapping[str, float], before: Mapping[str, float]) -> str:
    """Return a bar a class, which moves from where it stood before; "" without classes."""
    if not shares:
        return ""
    top = max(shares, key=lambda name: shares[name]) if any(shares.values()) else None
    rows = []
    for name, share in shares.items():
        percents = f"--from:{100 * before.get(name, 0):.1f}%;--to:{100 * share:.1f}%"
        rows.append(
            f"<li{' class=top' if name == top else ''}><span class=name>{escape(name)}</span>"
            f'<span class=track><i style="{percents}"></i></span>'
            f"<span class=percent>{100 * share:.0f} %</span></li>"
        )
    return f"<ul class=bars>{''.join(rows)}</ul>"


def faces_html(faces: Sequence[Shown], find_crop: FindCrop) -> str:
    """Return each face with the pictures nearest to it; find_crop: a picture's crop by its path."""
    if not faces:
        return ""
    if not any(face.near for face in faces):
        found = "".join(_figure(face.crop, face.label, "seen") for face in faces)
        return f"<div class=faces>{found}</div>"
    rows = []
    for face in faces:
        near = "".join(
            _figure(find_crop(each.file), f"{each.label} {each.distance:.2f}") for each in face.near
        )
        rows.append(f"<div class=faces>{_figure(face.crop, face.label, 'seen')}{near}</div>")
    about = "A face, and the pictures nearest to it with their distance:"
    return f"<p class=small>{about}</p>{''.join(rows)}"


def classes_html(visitor: Visitor, needs_more: bool, odd: Sequence[str]) -> str:
    """Return the taught classes, each with its pictures and buttons, below what is odd about them.

    A button's data-act says what it does: more, delete, remove; so does the name's field: rename.
    needs_more: a class with fewer than LEAST_PICTURES pictures does not count yet.
    """
    if not visitor.pictures:
        return "<p class=small>No class of yours yet.</p>"
    lines = "".join(f"<p class=odd>{escape(line)}</p>" for line in odd)
    return lines + "".join(_class_html(visitor, name, needs_more) for name in visitor.class_names)


def _class_html(visitor: Visitor, name: str, needs_more: bool) -> str:
    pictures, safe = visitor.of_class(name), escape(name, quote=True)
    thumbnails = "".join(
        f'<button data-act=remove data-name="{escape(each.path, quote=True)}" '
        f'title="Remove" aria-label="Remove picture {number} of {safe}">'
        f"{_image(each.crop)}<span aria-hidden=true>&times;</span></button>"
        for number, each in enumerate(pictures, start=1)
    )
    lacks = needs_more and len(pictures) < LEAST_PICTURES
    count = f"{len(pictures)} picture{'s' if len(pictures) > 1 else ''}"
    count += f", counts from {LEAST_PICTURES} on" if lacks else ""
    return (
        f'<section class=taught aria-label="{safe}"><div class=head>'
        f'<input data-act=rename data-name="{safe}" value="{safe}" aria-label="Name of {safe}" '
        f"title=Rename><span class=small>{count}</span>"
        f'<button data-act=more data-name="{safe}" aria-label="Add to {safe}">Add to it</button>'
        f'<button data-act=delete data-name="{safe}" aria-label="Delete {safe}">Delete</button>'
        f"</div><div class=thumbnails>{thumbnails}</div></section>"
    )


def _figure(crop: Pixels | None, caption: str, kind: str = "near") -> str:
    return f"<figure class={kind}>{_image(crop)}<figcaption>{escape(caption)}</figcaption></figure>"


def _image(crop: Pixels | None) -> str:
    """Return a thumbnail within the page itself, so that no address is to be fetched."""
    if crop is None:
        return "<span class=blank>no picture kept</span>"
    file = io.BytesIO()
    tile(crop, SIDE).save(file, format="JPEG", quality=80)
    code = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="" width={SIDE} height={SIDE} src="data:image/jpeg;base64,{code}">'
