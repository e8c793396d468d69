"""Negative controls of what keeps answers true while the members change."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from actors.cluster.members import Members
from actors.cluster.membership import Membership
from tests.simulation.market import SimulatedMarket


def without_fresh_knowledge(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A host answers from memory however long ago it read who the members are."""
    return patch.object(Members, "is_fresh", lambda _members, _known: True)


def without_fenced_moves(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Reads of a ticket that moves are answered from memory, while its earlier owner may have a commit under way."""
    return patch.object(Membership, "moves", lambda _membership, _kind, _entity_id: False)
