"""Name the expression on an aligned face with an exported file, without torch or fewshot_fer.

python scripts/classify_with_onnx.py outputs/train/.../best.onnx face.jpg
"""

import json
import os
import sys

import numpy as np
from PIL import Image

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # or onnxruntime tells its maker which model is used
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
about = session.get_modelmeta().custom_metadata_map
side, labels = int(about["image_size"]), json.loads(about["labels"])
face = Image.open(sys.argv[2]).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
(probabilities,) = session.run(None, {"images": np.asarray(face)[None]})[0]
for place in probabilities.argsort()[::-1]:
    print(f"{labels[place]:<20} {probabilities[place]:6.1%}")
