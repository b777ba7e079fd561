"""Tables made from runs that are already there."""
