"""Name the expression on an aligned face with an exported file, without torch or fewshot_fer.

The picture is prepared as `predict align=false` does it: upright as its EXIF says, what is
transparent on black, its largest centred square.

python scripts/classify_with_onnx.py outputs/train/.../best.onnx face.jpg
"""

import json
import os
import sys

import numpy as np
from PIL import Image, ImageOps

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # or onnxruntime tells its maker which model is used
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
about = session.get_modelmeta().custom_metadata_map
side, labels = int(about["image_size"]), json.loads(about["labels"])
picture = ImageOps.exif_transpose(Image.open(sys.argv[2]))
if picture.mode.startswith(("I", "F")):
    sys.exit(f"{sys.argv[2]} has more than 8 bits a pixel: save it as 8-bit grey or RGB")
black = Image.new("RGBA", picture.size, "black")
picture = Image.alpha_composite(black, picture.convert("RGBA")).convert("RGB")
short = min(picture.size)
left, top = ((length - short) // 2 for length in picture.size)
face = picture.crop((left, top, left + short, top + short))
face = face.resize((side, side), Image.Resampling.BILINEAR)
(probabilities,) = session.run(None, {"images": np.asarray(face)[None]})[0]
for place in probabilities.argsort()[::-1]:
    print(f"{labels[place]:<20} {probabilities[place]:6.1%}")
