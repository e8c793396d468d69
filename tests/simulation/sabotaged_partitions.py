"""Negative controls of a journal in several databases; see `sabotage.CONTROLS`."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from actors.runtime.ports import Commit, FencedError
from tests.simulation import partitions
from tests.simulation.market import SimulatedMarket
from tests.simulation.partitions import PartitionedJournal


def without_the_keys_own_partition(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A key is claimed beside the ticket, in the ticket's partition, where nobody of another one looks."""
    return patch.object(partitions, "partition_of_claim", lambda _key, home, _partitions: home)


def without_claims_before_commits(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A key is claimed once the commit that wants it is there."""

    async def commit_first(journal: PartitionedJournal, commit: Commit) -> int:
        home = journal._home_of(commit)
        size = await journal._commit(commit, home)
        await journal._claim(commit, home)
        return size

    return patch.object(PartitionedJournal, "append", commit_first)


def without_claims_that_stay(_: SimulatedMarket) -> AbstractContextManager[Any]:
    """A key that was claimed, and of which there is no commit, is anybody's: its writer must have died."""
    claim = PartitionedJournal._claim

    async def take_over(journal: PartitionedJournal, commit: Commit, home: int) -> None:
        try:
            await claim(journal, commit, home)
        except FencedError:
            claimed = [one.key for one in partitions.wanted_in(commit)]
            if await journal.existing_keys(claimed):
                raise

    return patch.object(PartitionedJournal, "_claim", take_over)
