"""What every REST door shares: exact JSON, one form of error, whose account it is, rates, pages of lists."""
