"""Orders, smart orders with their levels, and the dealers' queue: what was asked for."""
