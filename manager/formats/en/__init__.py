"""English: times to the second, the longest part first, as lists sort."""
