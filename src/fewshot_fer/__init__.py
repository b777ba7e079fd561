"""Few-shot facial-expression experiments, driven by configuration."""

__version__ = "0.1.0"
