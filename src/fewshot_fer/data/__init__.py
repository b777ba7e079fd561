"""From a folder on disk to a table of faces, and from the table to one packed array of pixels."""
