"""The doors, driven as clients drive them: HTTP and WebSocket against real processes."""
