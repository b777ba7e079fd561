"""Many runs from one command: what they are, what became of each, and one table of all."""
