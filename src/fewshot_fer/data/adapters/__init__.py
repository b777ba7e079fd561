"""Data sets: from folders and lists on disk to a FaceTable.

Each is registered where it is read, see `registry`. To add one: a file here and one of the same
name as the data set in conf/dataset/.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")  # where it is registered
