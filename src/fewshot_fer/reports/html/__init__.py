"""One page and one table made from any mix of runs and sweeps, finished or not."""
