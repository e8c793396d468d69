"""What the API must answer to people who wait for a ticket that somebody else holds, and to the seller of it."""

from actors.domain.ticket_commands import CloseWaitingList, JoinWaitingList, LeaveWaitingList
from tests.models.api_model import Answer, ApiModel, refused
from tests.models.ticket_model import OrderModel

NOT_IN_LINE = Answer(404, says="You do not wait")


class WaitingModel(ApiModel):
    """The market with its waiting lists. Places in line are counted from 1."""

    def offers(self) -> list[OrderModel]:
        """The orders that are offered to somebody now."""
        holders = [listing.rules.holder for listing in self.listings.values()]
        return [order for order in holders if order is not None and order.offer]

    def join(self, who: str, ticket_id: str, most: int | None) -> Answer:
        listing = self.listings[ticket_id]
        status = 200 if who in listing.rules.line else 201
        refusal = self._ask(listing, JoinWaitingList(ticket_id, who, most))
        return self._place(who, ticket_id, status) if refusal is None else refused(refusal)

    def read_place(self, who: str, ticket_id: str) -> Answer:
        return self._place(who, ticket_id, 200)

    def leave(self, who: str, ticket_id: str) -> Answer:
        self._ask(self.listings[ticket_id], LeaveWaitingList(ticket_id, who))
        return Answer(204)

    def close(self, who: str, ticket_id: str) -> Answer:
        refusal = self._ask(self.listings[ticket_id], CloseWaitingList(ticket_id, who))
        return Answer(204) if refusal is None else refused(refusal)

    def _place(self, who: str, ticket_id: str, status: int) -> Answer:
        line = list(self.listings[ticket_id].rules.line)
        if who not in line:
            return NOT_IN_LINE
        return Answer(status, {"ticketId": ticket_id, "place": line.index(who) + 1})
