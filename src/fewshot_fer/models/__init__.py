"""Encoders (images to embeddings) and methods (embeddings to logits), chosen by name."""

from fewshot_fer.models.backbones.registry import build_encoder, with_image_size

__all__ = ["build_encoder", "with_image_size"]
