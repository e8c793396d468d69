"""What has to be true before a reply leaves: the journal agrees, and the documents that it tells of are written."""

import asyncio
from collections.abc import Sequence
from typing import Generic

from actors.domain.refusals import Unavailable
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.entity import Entity
from actors.runtime.entity_cache import EntityCache
from actors.runtime.mailbox import Envelope
from actors.runtime.ports import Command, DocumentUpdate, Journal, Reply, State, StoreUnavailableError
from actors.runtime.replay import latest_per_document, next_key
from actors.runtime.turn import Turn

Replies = Sequence[tuple[Envelope, Reply]]


class ReplySender(Generic[State, Command]):
    """Sends the replies of turns that are committed, in the order of the turns as far as they wait for the same."""

    def __init__(
        self,
        entity: Entity[State, Command],
        journal: Journal,
        commit_relay: CommitRelay,
        cache: EntityCache[State, Command],
        *,
        most_at_once: int,
    ) -> None:
        self._entity = entity
        self._journal = journal
        self._commit_relay = commit_relay
        self._cache = cache
        self._most_at_once = most_at_once
        self._sending: set[asyncio.Task[None]] = set()

    async def confirmed(self, turn: Turn[State]) -> tuple[Replies, list[Envelope]]:
        """Return the replies that may leave, and the messages that are to be decided again.

        Replies that write nothing rely on this host's memory. If another writer owns the next version of an entity its
        messages are decided again; if the journal cannot be read the answer is Unavailable. If a message that was sent
        before is refused but its key exists, it did take effect the first time: it is decided again on that.
        """
        unwritten = {
            next_key(self._entity, entity_id, turn.states[entity_id]): entity_id
            for entity_id in turn.unwritten - turn.changed
        }
        if not unwritten and not turn.refused:
            return turn.replies, []
        try:
            taken = await self._journal.existing_keys({*unwritten, *turn.refused.values()})
        except StoreUnavailableError:
            unknown = set(unwritten.values())
            return [
                (envelope, Unavailable() if envelope in turn.refused or self._id_of(envelope) in unknown else reply)
                for envelope, reply in turn.replies
            ], []
        stale = {entity_id for key, entity_id in unwritten.items() if key in taken}
        repeats = {envelope for envelope, key in turn.refused.items() if key in taken}
        if not stale and not repeats:
            return turn.replies, []
        leaving: list[tuple[Envelope, Reply]] = []
        undecided: list[Envelope] = []
        for envelope, reply in turn.replies:
            if envelope in repeats or self._id_of(envelope) in stale:
                undecided.append(envelope)
            else:
                leaving.append((envelope, reply))
        return leaving, undecided

    async def send(self, replies: Replies, before_reply: Sequence[DocumentUpdate]) -> None:
        """Send the replies when these documents and those that they tell of are written; the next turn runs meanwhile.

        Waits only while the documents of too many turns are being written.
        """
        documents = latest_per_document([*before_reply, *self._documents_to_await(replies)])
        if not documents:
            _send(replies)
            return
        while len(self._sending) >= self._most_at_once:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._send_later(replies, documents))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _send_later(self, replies: Replies, documents: Sequence[DocumentUpdate]) -> None:
        # A later turn's documents may be written before these: each is whole and guarded by its version.
        try:
            await self._commit_relay.write(documents)
        except StoreUnavailableError:
            replies = [(envelope, Unavailable()) for envelope, _ in replies]
        _send(replies)

    def _documents_to_await(self, replies: Replies) -> list[DocumentUpdate]:
        """Documents of earlier turns, not written yet, that these replies tell of."""
        told_of = set[tuple[str, str]]()
        for envelope, reply in replies:
            documents = self._entity.documents_before_reply(envelope.command, reply)
            told_of.update(documents)
            # A writer that died may have written the entity's document before those that it tells of.
            if documents and (state := self._cache.take_inherited(self._id_of(envelope))) is not None:
                self._commit_relay.enqueue(self._entity.related_updates(state))
        return self._commit_relay.pending(told_of)

    def _id_of(self, envelope: Envelope) -> str:
        return self._entity.entity_id(envelope.command)


def _send(replies: Replies) -> None:
    for envelope, reply in replies:
        envelope.answer(reply)
