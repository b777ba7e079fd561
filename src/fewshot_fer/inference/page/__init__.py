"""A small web page to try a trained run in a browser."""
