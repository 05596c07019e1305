"""Price feeds: the simulator and the replay of recorded quotes."""
