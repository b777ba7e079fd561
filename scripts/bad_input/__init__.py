"""Files that people hand in, spoilt in every way that is known, and what the tool makes of each."""
