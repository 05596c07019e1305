"""What every REST view shares: exact JSON, one form of error, which account is meant, rates, pages of lists."""
