"""REST that takes more than one app: the trade addresses, accounts with live figures, previews, logging in."""
