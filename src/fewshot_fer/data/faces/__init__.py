"""Faces in pictures: where they are, and how they are laid out for an encoder.

Videos and photographs to aligned faces, in the layouts that the adapters read.
"""
