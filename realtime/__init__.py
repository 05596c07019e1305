"""WebSocket: quotes, accounts and trade events pushed to those who look."""
