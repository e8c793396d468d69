"""The ledgers of a simulation, for the check that `holdfast verify` makes."""

from collections.abc import Sequence

from actors.domain.ticket_events import OrderCreated
from actors.payments.reconciliation import Ledgers
from actors.stripe.resources import Dispute, Intent, Refund
from tests.simulation.partitions import Partition
from tests.simulation.stripe import WatchedLedger


def ledgers_of(partitions: Sequence[Partition], ledger: WatchedLedger) -> Ledgers:
    """As actors.storage.ledger_reader reads them, without asking Stripe for page after page."""
    tables = partitions[0].tables
    intents = ledger.all_intents
    return Ledgers(
        {one: stored.entity for one, stored in tables.documents["orders"].items()},
        {one: stored.entity for one, stored in tables.documents["charges"].items()},
        [
            Intent(one.id, one.status, one.amount, one.amount_received, one.currency, metadata=one.metadata)
            for one in intents
        ],
        [
            Refund(refund.id, refund.status, refund.amount, one.currency, one.id)
            for one in intents
            for refund in one.refunds
        ],
        [
            Dispute(dispute.id, one.id, dispute.amount, one.currency, dispute.status)
            for one in intents
            for dispute in one.disputes
        ],
        {
            record.event.order.id: record.event.order.fee
            for partition in partitions
            for commit in partition.tables.commits.values()
            for record in commit.records
            if isinstance(record.event, OrderCreated)
        },
    )
