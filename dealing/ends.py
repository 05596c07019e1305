"""What is raised to end a process: no failure of the item in hand, so nothing that catches everything may keep it."""

ENDS = (KeyboardInterrupt, SystemExit)
