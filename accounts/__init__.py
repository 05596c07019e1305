"""Groups, accounts and their ledger: who trades, on which terms, with which money."""
