"""Faces in pictures: where they are, and how they are laid out for an encoder."""
