"""The report on any mix of runs and sweeps: one page and one table."""
