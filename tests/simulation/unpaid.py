"""The holds that their buyers did not pay, once more: how many of them ended within the last hour."""

from dataclasses import dataclass, field

HOUR = 3_600_000


@dataclass
class Unpaid:
    """A hold that its buyer let go of, let pass, or could not pay."""

    ticket_id: str
    buyer_id: str
    ended: int


@dataclass
class UnpaidHolds:
    """All of them, in the order in which they ended."""

    holds: list[Unpaid] = field(default_factory=list)

    def of(self, buyer_id: str, at: int, ticket_id: str | None = None) -> int:
        """How many of their holds, of this ticket or of any, ended unpaid within the hour before."""
        return sum(
            one.buyer_id == buyer_id and at - one.ended < HOUR and ticket_id in (None, one.ticket_id)
            for one in self.holds
        )
