"""The words of the orders' rows, as the engine spells them."""

from dealing.columns import choices_of
from engine import enums, order_types

OrderType = choices_of(order_types.OrderType)
OrderStatus = choices_of(enums.OrderStatus)
OrderReason = choices_of(enums.OrderReason)
Side = choices_of(enums.Side)
SmartState = choices_of(enums.SmartState)
LevelStatus = choices_of(enums.LevelStatus)
EntryType = choices_of(enums.EntryType)
RequestKind = choices_of(enums.RequestKind)
