"""A host runs the mailbox of many entities of one kind in turns: decide in memory, commit once, then reply.

The journal is the judge. Nothing here is safe because there is one host: it is safe because a commit that is decided on
stale memory cannot be appended, and an answer that writes nothing is checked against the journal before it leaves.
"""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Generic, cast

from actors.domain.answers import Moved
from actors.domain.refusals import Overloaded, Refusal, Unavailable
from actors.runtime import spans
from actors.runtime.commit_log import log_commit
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.entity import Entity
from actors.runtime.entity_cache import EntityCache
from actors.runtime.mailbox import Batch, Envelope, Mailbox
from actors.runtime.ownership import Everything, Ownership, Share
from actors.runtime.ports import (
    Answer_co,
    Clock,
    Command,
    Commit,
    CommitTooLargeError,
    DocumentUpdate,
    FencedError,
    Instant,
    Journal,
    State,
    StoreUnavailableError,
    commit_id,
)
from actors.runtime.replay import load
from actors.runtime.replies import ReplySender
from actors.runtime.retry import backoff, retry
from actors.runtime.signals import Signals, TurnMeter, loop_time
from actors.runtime.timers import Timers
from actors.runtime.trace import Traced
from actors.runtime.turn import Decider, Turn, existing

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one host.

    Messages waiting, messages a turn, entities in memory, turns whose documents are being written, times that a message
    may be decided on what turns out to be stale, and how long after it a timer fires again that found no database.
    """

    mailbox: int = 20_000
    turn: int = 500
    cached_entities: int = 200_000
    concurrent_flushes: int = 8
    max_conflicts: int = 20
    retry_after_ms: int = 1_000


@dataclass(slots=True)
class Counters:
    """What the host did so far, for metrics and benchmarks.

    `calls` brought messages from other processes; `deliveries` are those and what an actor tells its own host.
    """

    deliveries: int = 0
    messages: int = 0
    turns: int = 0
    commits: int = 0
    events: int = 0
    fenced: int = 0
    calls: int = 0


class Host(Generic[State, Command, Answer_co]):
    """One incarnation of one host. Start with `run`, talk to it with `deliver`."""

    def __init__(  # noqa: PLR0913 - the seams of the design
        self,
        entity: Entity[State, Command, Any, Answer_co],
        journal: Journal,
        clock: Clock,
        commit_relay: CommitRelay,
        *,
        writer: str,
        limits: Limits | None = None,
        ownership: Ownership | None = None,
    ) -> None:
        """Without an `ownership` the host takes all messages, and is the only one that does."""
        self.writer = writer
        self.counters = Counters()
        self.timers = Timers(clock, self._fire)
        self._entity = entity
        self._journal = journal
        self._clock = clock
        self._commit_relay = commit_relay
        self._limits = limits or Limits()
        self._mailbox = Mailbox(self._limits.mailbox)
        self._cache = EntityCache(entity, self.timers, self._limits.cached_entities)
        self._ownership = ownership or Everything()
        self._generation = 0
        self._decider = Decider(entity, on_failed=commit_relay.on_failed)
        flushes = self._limits.concurrent_flushes
        self._replies = ReplySender(entity, journal, commit_relay, self._cache, most_at_once=flushes)
        self._meter = TurnMeter(entity.entity_id, entity.due_at)
        self._seq = 0
        # One text for all that it holds: every ticket in memory names the commit of its last event.
        self._next_commit = commit_id(writer, 1)
        self._store_away = False
        self._is_in_turn = False
        self._most = self._limits.turn

    async def run(self) -> None:
        """Runs turns and timers until cancelled."""
        await self._commit_relay.register()
        alarm = asyncio.create_task(self.timers.run(), name="timers")
        try:
            while True:
                envelopes = await self._mailbox.take(self._most)
                self._is_in_turn = True
                self._meter.on_turn_begin(envelopes)
                if spans.tracer is None:
                    await self._turn(envelopes)
                else:
                    with spans.turn([envelope.span for envelope in envelopes], self.writer):
                        await self._turn(envelopes)
                self._meter.on_turn_end()
                self._is_in_turn = False
        finally:
            alarm.cancel()

    async def deliver(
        self, commands: Sequence[Command | Traced], deadline: Instant, *, redelivered: bool = False
    ) -> list[Answer_co | Refusal]:
        """The replies in order: what the entity answers, or a refusal, such as Overloaded and Unavailable.

        `redelivered` when they were sent before and may have taken effect.

        Every reply that depends on the journal leaves after it is in the journal.
        """
        self.counters.deliveries += 1
        self.counters.messages += len(commands)
        if not commands:
            return []
        if self._store_away:
            return [Unavailable()] * len(commands)
        if not self._mailbox.has_room(len(commands)):
            return [Overloaded()] * len(commands)
        batch, arrived = Batch(len(commands)), loop_time()
        self._mailbox.put(
            Envelope(command, deadline, batch, place, arrived=arrived, redelivered=redelivered)
            for place, command in enumerate(commands)
        )
        await batch.done
        return cast("list[Answer_co | Refusal]", batch.replies)

    def release(self, entity_id: str) -> None:
        """Forgets an entity that lives in another host from now on, and when it wanted to be woken."""
        self._cache.release(entity_id)

    def has_timer_within(self, milliseconds: int) -> bool:
        """Whether a timer is due in that time."""
        next_at = self.timers.next_at()
        return next_at is not None and next_at < self._clock.now() + milliseconds

    @property
    def is_busy(self) -> bool:
        """Whether messages wait or are being decided, those of timers as well."""
        return self._is_in_turn or len(self._mailbox) > 0

    def signals(self) -> Signals:
        """What this host is like now, in some microseconds."""
        return self._meter.signals(
            self._mailbox,
            entities=len(self._cache),
            holds=self.timers.armed,
            unapplied=self._commit_relay.unapplied,
            unpublished=self._commit_relay.unpublished,
        )

    def _fire(self, commands: Sequence[Command]) -> None:
        arrived = loop_time()
        self._mailbox.put(Envelope(command, deadline=0, arrived=arrived) for command in commands)

    async def _turn(self, envelopes: list[Envelope]) -> None:
        self.counters.turns += 1
        envelopes = self._drop_late(envelopes)
        try:
            share = await self._ownership.confirm()
        except StoreUnavailableError:
            self._fail(envelopes)
            return
        self._take_note_of(share)
        turn: Turn[State] = Turn(self._accepted(envelopes, share), self._clock.now(), share)
        try:
            await self._load(turn)
            self._decider.decide_all(turn, self._next_commit)
            if turn.records:
                await self._commit(turn)
        except FencedError:
            self._entity.on_turn_end(committed=False)
            self._mailbox.put_back(turn.deferred)
            self._requeue([envelope for envelope, _ in turn.replies])
            return
        except CommitTooLargeError:
            self._entity.on_turn_end(committed=False)
            self._mailbox.put_back(turn.deferred)
            self._split(turn)
            return
        except StoreUnavailableError:
            self._fail(turn.envelopes)
            return
        self._entity.on_turn_end(committed=True)
        self._most = min(self._most * 2, self._limits.turn)
        self._mailbox.put_back(turn.deferred)
        # No await since the commit: its documents are noted before anyone can ask which commits are applied.
        self._cache.keep(turn.states)
        before_reply = self._enqueue_documents(turn)
        replies, undecided = await self._replies.confirmed(turn)
        if undecided:
            self._requeue(undecided)
        await self._replies.send(replies, before_reply)

    def _drop_late(self, envelopes: list[Envelope]) -> list[Envelope]:
        """A message past its deadline is dropped before its decision: its caller has gone and may ask again."""
        now = self._clock.now()
        in_time: list[Envelope] = []
        for envelope in envelopes:
            if envelope.batch is None or now <= envelope.deadline:
                in_time.append(envelope)
            else:
                envelope.answer(Unavailable())
        return in_time

    def _take_note_of(self, share: Share) -> None:
        if share.generation != self._generation:
            self._generation = share.generation
            self._entity.on_shares_changed()
        if share.has_moved is not None:
            self._cache.doubt(share.has_moved)

    def _accepted(self, envelopes: list[Envelope], share: Share) -> list[Envelope]:
        """The messages for what this host owns; who sent the others is to ask the owner. Timers just end."""
        accepted: list[Envelope] = []
        for envelope in envelopes:
            if share.accepts(self._entity.entity_id(envelope.command)):
                accepted.append(envelope)
            else:
                envelope.answer(Moved())
        return accepted

    async def _load(self, turn: Turn[State]) -> None:
        entity = self._entity
        cold: set[str] = set()
        for envelope in turn.envelopes:
            entity_id = entity.entity_id(envelope.command)
            state = self._cache.get(entity_id)
            if state is None and (envelope.is_after_conflict or not entity.is_creation(envelope.command)):
                cold.add(entity_id)
            else:
                turn.states.setdefault(entity_id, state)
        if cold:
            loaded = await load(entity, self._journal, cold)
            turn.states.update(loaded.states)
            turn.found = loaded.updates
            self._cache.inherit(loaded.states)
            if loaded.unreadable:
                self._fail_unreadable(turn, loaded.unreadable)
        commands = [envelope.command for envelope in turn.envelopes]
        is_after_conflict = any(envelope.is_after_conflict for envelope in turn.envelopes)
        turn.found.extend(await entity.prefetch(commands, turn.states, turn.at, after_conflict=is_after_conflict))

    def _fail_unreadable(self, turn: Turn[State], unreadable: AbstractSet[str]) -> None:
        """Answers for entities that this release cannot read; the others of the turn go on."""
        for envelope in turn.envelopes:
            if self._decider.is_for(envelope, unreadable):
                envelope.answer(Unavailable())
        turn.envelopes = [one for one in turn.envelopes if not self._decider.is_for(one, unreadable)]

    async def _commit(self, turn: Turn[State]) -> None:
        # Not before anything that the turn was decided on, whatever the clock of its writer said: a backup goes by it.
        at = max(self._clock.now(), *(record.at for record in turn.records))
        commit = Commit(self.writer, self._seq + 1, at, tuple(turn.keys), tuple(turn.records))
        asked = loop_time()
        with spans.within("commit", "CLIENT", {"holdfast.commit": commit.id, "holdfast.events": len(commit.records)}):
            size = await self._append_until_known(commit)
        self._meter.on_committed(commit, asked)
        self._seq = commit.seq
        self._next_commit = commit_id(self.writer, commit.seq + 1)
        self.counters.commits += 1
        self.counters.events += len(turn.records)
        self._commit_relay.on_committed(commit, size)
        log_commit(self._entity, commit)

    async def _append_until_known(self, commit: Commit) -> int:
        """Repeats the insert with the same id until its outcome is known; nothing is decided meanwhile.

        Until then new messages are told at once that the database is away.
        """
        pauses = backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        try:
            return await retry(lambda: self._journal.append(commit), StoreUnavailableError, pauses, self._on_store_away)
        finally:
            self._store_away = False

    def _on_store_away(self, _: Exception) -> None:
        self._store_away = True

    def _enqueue_documents(self, turn: Turn[State]) -> list[DocumentUpdate]:
        """Note the documents that the turn's events change, and return those that its replies wait for."""
        documents = list(turn.found)
        for record in turn.records:
            documents.extend(self._entity.document_updates(record, existing(turn.states[record.entity_id])))
        return self._commit_relay.enqueue(documents)

    def _requeue(self, undecided: Sequence[Envelope]) -> None:
        """Forgets what these messages were decided on and puts them back, to be decided on what is true."""
        self.counters.fenced += 1
        self._evict(undecided)
        for envelope in undecided:
            envelope.conflicts += 1
            if envelope.conflicts > self._limits.max_conflicts:
                envelope.answer(Unavailable())
        self._mailbox.put_back([one for one in undecided if one.conflicts <= self._limits.max_conflicts])

    def _split(self, turn: Turn[State]) -> None:
        """Decides half as many messages a turn until they fit a commit; one that does not by itself fails."""
        envelopes = [envelope for envelope, _ in turn.replies]
        self._evict(envelopes)
        if len(envelopes) > 1:
            self._most = len(envelopes) // 2
            self._mailbox.put_back(envelopes)
            return
        for envelope in envelopes:
            self._commit_relay.on_failed(envelope)
            envelope.answer(Unavailable())

    def _fail(self, envelopes: Sequence[Envelope]) -> None:
        self._evict(envelopes)
        for envelope in envelopes:
            envelope.answer(Unavailable())
        again_at = self._clock.now() + self._limits.retry_after_ms
        for envelope in envelopes:
            if envelope.batch is None:
                self.timers.arm(again_at, envelope.command)

    def _evict(self, envelopes: Sequence[Envelope]) -> None:
        self._cache.evict(self._entity.entity_id(envelope.command) for envelope in envelopes)
