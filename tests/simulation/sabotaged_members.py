"""Negative controls of what keeps answers true while the members change."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from actors.cluster import members
from actors.cluster.members import Members
from actors.cluster.membership import Membership
from actors.runtime.entity_cache import EntityCache
from tests.simulation.market import SimulatedMarket


def without_fresh_knowledge(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A host answers from memory however long ago it read who the members are."""
    return patch.object(Members, "is_fresh", lambda _members, _known: True)


def without_fenced_moves(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """Reads of a ticket that moves are answered from memory, while its earlier owner may have a commit under way."""
    return patch.object(Membership, "moves", lambda _membership, _kind, _entity_id: False)


def without_doubt_of_memory(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What a host had in memory before a ticket moved it uses after that."""
    return patch.object(EntityCache, "doubt", lambda _cache, _has_moved: None)


def without_time_for_others_to_know(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A new owner takes messages as soon as it knows of itself."""
    return patch.multiple(members, TAKES_SECONDS=0.0, ASKED_SECONDS=0.0)


def without_inherited_documents(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """What an earlier owner did not come to write is not written before somebody is told of it."""
    return patch.object(EntityCache, "take_inherited", lambda _cache, _entity_id: None)
