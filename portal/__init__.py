"""The client's face: the pages of the trading terminal."""
