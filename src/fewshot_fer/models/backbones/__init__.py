"""Encoders: from images to embeddings, a file a family.

A family is registered where it is defined, see `registry`. To add one: a file here and one in
conf/backbone/.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")  # where its family is registered
