"""Hand-made fast paths, each beside its plain reference; `Conv4(fast=False)` takes none."""
