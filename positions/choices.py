"""The words of the positions' rows, as the engine spells them."""

from dealing.columns import choices_of
from engine import enums

Side = choices_of(enums.Side)
Direction = choices_of(enums.Direction)
PositionStatus = choices_of(enums.PositionStatus)
OrderReason = choices_of(enums.OrderReason)
DealBy = choices_of(enums.DealBy)
