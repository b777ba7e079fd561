"""What would spoil a result, found before anything trains."""
