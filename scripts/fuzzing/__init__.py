"""Inputs that are changed at random, and what reads them."""
