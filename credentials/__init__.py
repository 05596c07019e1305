"""Who one is: checks of passwords and their limits, tokens of programs, and how all of it ends."""
