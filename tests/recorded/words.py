"""Numbers and names that the rows and the requests of the recorded world share."""

PASSWORD = "a long and dull passphrase"
HEDGING, NETTING, WIDE, MANUAL, SMALL, FIFO, ONEWAY, EURO, THIN = (
    1001,
    1002,
    1003,
    1004,
    1005,
    1006,
    1007,
    1008,
    1009,
)
DISABLED, READ_ONLY, CLOSE_ONLY, FREE, POOR, HALTED = 1101, 1102, 1103, 1104, 1105, 1106
OTHER, OTHER_MANUAL = 2001, 2002
ACCOUNTS = {
    HEDGING: {"group": "hedging"},
    NETTING: {"group": "netting"},
    WIDE: {"group": "wide", "leverage": 50},
    MANUAL: {"group": "manual"},
    SMALL: {"group": "small"},
    FIFO: {"group": "fifo"},
    ONEWAY: {"group": "oneway"},
    EURO: {"group": "euro"},
    THIN: {"group": "thin"},
    DISABLED: {"group": "hedging", "enabled": False},
    READ_ONLY: {"group": "hedging", "read_only": True},
    CLOSE_ONLY: {"group": "hedging", "close_only": True},
    FREE: {"group": "hedging", "tier": "FREE"},
    POOR: {"group": "hedging"},
    HALTED: {"group": "hedging"},
    OTHER: {"group": "hedging"},
    OTHER_MANUAL: {"group": "manual"},
}
OTHERS = (OTHER, OTHER_MANUAL)
#: What staff who are no superusers see: all but two groups.
SCOPES = "*,!netting,!euro"
MARKET = {
    "BTCUSDT": ("43000.00", "43001.00"),
    "ETHUSDT": ("2500.00", "2500.50"),
    "EURUSD": ("1.10000", "1.10010"),
    "GBPUSD": ("1.25000", "1.25010"),
    "USDJPY": ("150.000", "150.010"),
    "EURJPY": ("165.000", "165.020"),
    "AUDUSD": ("0.65000", "0.65010"),
    "NZDUSD": ("0.60000", "0.60010"),
    "USDCAD": ("1.35000", "1.35010"),
    "USDCHF": ("0.88000", "0.88010"),
    "XAUUSD": ("2000.00", "2000.50"),
    "WTI": ("70.00", "70.05"),
}
#: After this long what the desk publishes of accounts is there.
SETTLED_S = 2.5
