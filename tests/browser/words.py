"""What the seed and the tests of the browser must spell alike."""

USER = "anna"
PASSWORD = "correct horse battery"
