"""Find faces in photographs and videos, align them, and write them in the adapters' layouts."""
