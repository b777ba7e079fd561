"""Few-shot methods: from the embeddings of an episode to its logits.

A method is a function, or a module with weights to train, that takes support [E, way, shot, D] and
query [E, Q, D] of E episodes and returns logits [E, Q, way], without a loop over episodes. Each is
registered where it is defined, see `registry`. To add one: a file here and one in conf/method/.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")  # where its methods are registered
