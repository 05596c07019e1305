"""A tick's stages, one file each; pipeline.py has their order."""
