"""Damaged inputs of every known kind, and how a command must end with each."""
