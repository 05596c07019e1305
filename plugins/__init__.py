"""Bundled hooks of the engine, one idea a file."""
