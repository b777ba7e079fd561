"""From the words of a command to a verb or to the jobs of a sweep."""
