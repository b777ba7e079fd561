"""The audit behind `check`: what would invalidate a result, found before anything trains."""
