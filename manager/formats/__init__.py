"""Formats of dates by language, for pages that Django formats by itself."""
