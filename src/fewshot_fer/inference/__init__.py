"""Expressions in photographs and videos, from a trained run: tables, drawings, ONNX and a page."""
