"""What scripts/benchmark.py is made of: faces, measured systems, turns, sections, the report."""
