"""One module a family of commands: each handler decides by checks.py and acts through execution.py."""
