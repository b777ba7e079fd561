"""Data sets on disk to tables of faces, and tables to arrays of packed pixels."""
