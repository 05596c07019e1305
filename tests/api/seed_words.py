"""What the seed and the tests must spell alike."""

PASSWORD = "correct horse battery"
