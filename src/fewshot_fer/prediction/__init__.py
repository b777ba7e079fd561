"""From photographs and videos to expressions, with what was trained."""
