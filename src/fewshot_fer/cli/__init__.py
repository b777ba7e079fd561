"""The command line: from what is typed to one verb, or to the jobs of a sweep."""
