"""A host runs the mailbox of many entities of one kind in turns: decide in memory, commit once, then reply.

The journal is the judge. Nothing here is safe because there is one host: it is safe because a commit that rests on
stale memory cannot be appended, and an answer that writes nothing is checked against the journal before it leaves.

A key exists once. Between commits the journal's unique index sees to that; it does not compare the keys of one commit,
so within a turn the host does: a letter that wants a key of its turn is decided in the next one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Generic

from actors.domain.refusals import Overloaded, Unavailable
from actors.runtime.commit_relay import CommitRelay
from actors.runtime.mailbox import Batch, Envelope, Mailbox
from actors.runtime.ports import (
    Clock,
    Command,
    Commit,
    CommitTooLargeError,
    DocumentUpdate,
    Entity,
    Event,
    FencedError,
    Instant,
    Journal,
    RecordedEvent,
    Reply,
    State,
    StoreUnavailableError,
    commit_id,
)
from actors.runtime.replay import latest_per_document, load, next_key
from actors.runtime.timers import Timers


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one host.

    Letters waiting, letters a turn, entities in memory, turns whose documents are being written, times that a letter
    may be fenced, and milliseconds until a timer that found no database fires again.
    """

    mailbox: int = 20_000
    turn: int = 500
    entities: int = 200_000
    finishing: int = 8
    fenced: int = 20
    retry_after: int = 1_000


@dataclass(slots=True)
class Counters:
    """What the host did so far, for metrics and benchmarks."""

    deliveries: int = 0
    messages: int = 0
    turns: int = 0
    commits: int = 0
    events: int = 0
    fenced: int = 0


@dataclass(slots=True)
class _Turn(Generic[State]):
    letters: list[Envelope]
    at: Instant
    states: dict[str, State | None] = field(default_factory=dict)
    records: list[RecordedEvent] = field(default_factory=list)
    keys: dict[str, None] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    resting: set[str] = field(default_factory=set)
    refused: dict[Envelope, str] = field(default_factory=dict)
    replies: list[tuple[Envelope, Reply]] = field(default_factory=list)
    deferred: list[Envelope] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    found: list[DocumentUpdate] = field(default_factory=list)


class Host(Generic[State, Command]):
    """One incarnation of one host. Start with `run`, talk to it with `deliver`."""

    def __init__(  # noqa: PLR0913 - the seams of the design
        self,
        behaviour: Entity[State, Command],
        journal: Journal,
        clock: Clock,
        commit_relay: CommitRelay,
        *,
        writer: str,
        limits: Limits | None = None,
        fence_reads: bool = False,
    ) -> None:
        self.writer = writer
        self.counters = Counters()
        self.timers = Timers(clock, self._fire)
        self._behaviour = behaviour
        self._journal = journal
        self._clock = clock
        self._commit_relay = commit_relay
        self._limits = limits or Limits()
        self._fence_reads = fence_reads
        self._mailbox = Mailbox(self._limits.mailbox)
        self._states: OrderedDict[str, State] = OrderedDict()
        self._seq = 0
        # One text for all that it holds: every ticket in memory names the commit of its last event.
        self._next_commit = commit_id(writer, 1)
        self._store_away = False
        self._most = self._limits.turn
        self._finishing: set[asyncio.Task[None]] = set()
        # Read from their documents, which may tell of others that their writer did not come to write.
        self._inherited: set[str] = set()

    async def run(self) -> None:
        """Runs turns and timers until cancelled."""
        await self._commit_relay.register()
        alarm = asyncio.create_task(self.timers.run(), name="timers")
        try:
            while True:
                await self._turn(await self._mailbox.take(self._most))
        finally:
            alarm.cancel()

    async def deliver(self, commands: Sequence[Command], deadline: Instant, *, again: bool = False) -> list[Reply]:
        """The replies in order: what the behaviour answers, a Refusal, Overloaded, or Unavailable.

        `again` when they were sent before and may have taken effect.

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
        delivery = Batch(len(commands))
        self._mailbox.put(
            Envelope(command, deadline, delivery, place, again=again) for place, command in enumerate(commands)
        )
        await delivery.done
        return delivery.replies

    def release(self, entity_id: str) -> None:
        """Forgets an entity that lives in another host from now on, and when it wanted to be woken."""
        state = self._states.pop(entity_id, None)
        self._inherited.discard(entity_id)
        timer = self._behaviour.timer(state) if state is not None else None
        if timer is not None:
            self.timers.disarm(timer[1])

    def has_timer_within(self, milliseconds: int) -> bool:
        """Whether a timer is due in that time."""
        next_at = self.timers.next_at()
        return next_at is not None and next_at < self._clock.now() + milliseconds

    def _fire(self, commands: Sequence[Command]) -> None:
        self._mailbox.put(Envelope(command, deadline=0) for command in commands)

    async def _turn(self, letters: list[Envelope]) -> None:
        self.counters.turns += 1
        turn: _Turn[State] = _Turn(self._drop_late(letters), self._clock.now())
        try:
            await self._load(turn)
            self._decide_all(turn)
            if turn.records:
                await self._commit(turn)
        except FencedError:
            self._behaviour.on_turn_end(committed=False)
            self._mailbox.put_back(turn.deferred)
            self._requeue(turn.replies)
            return
        except CommitTooLargeError:
            self._behaviour.on_turn_end(committed=False)
            self._mailbox.put_back(turn.deferred)
            self._split(turn)
            return
        except StoreUnavailableError:
            self._fail_turn(turn)
            return
        self._behaviour.on_turn_end(committed=True)
        self._most = min(self._most * 2, self._limits.turn)
        self._mailbox.put_back(turn.deferred)
        # No await since the commit: its documents are noted before anyone can ask which commits are applied.
        self._cache(turn)
        before_reply = self._project(turn)
        replies = await self._confirm_unwritten_replies(turn)
        await self._finish(latest_per_document([*before_reply, *self._documents_to_await(replies)]), replies)

    def _drop_late(self, letters: list[Envelope]) -> list[Envelope]:
        """A message past its deadline is dropped before its decision: its caller has gone and may ask again."""
        now = self._clock.now()
        in_time: list[Envelope] = []
        for letter in letters:
            if letter.delivery is None or now <= letter.deadline:
                in_time.append(letter)
            else:
                letter.answer(Unavailable())
        return in_time

    async def _load(self, turn: _Turn[State]) -> None:
        behaviour = self._behaviour
        cold: set[str] = set()
        for letter in turn.letters:
            entity_id = behaviour.entity_id(letter.command)
            state = turn.states.setdefault(entity_id, self._states.get(entity_id))
            if state is None and (letter.is_after_conflict or not behaviour.is_creation(letter.command)):
                cold.add(entity_id)
        if cold:
            loaded = await load(behaviour, self._journal, cold)
            turn.states.update(loaded.states)
            turn.found = loaded.projections
            told = (entity_id for entity_id, state in loaded.states.items() if state and behaviour.told(state))
            self._inherited.update(told)
            if loaded.unreadable:
                self._fail(turn, loaded.unreadable)
        commands = [letter.command for letter in turn.letters]
        is_after_conflict = any(letter.is_after_conflict for letter in turn.letters)
        await behaviour.prefetch(commands, turn.states, turn.at, after_conflict=is_after_conflict)

    def _decide_all(self, turn: _Turn[State]) -> None:
        for letter in turn.letters:
            if turn.closed and self._is_for(letter, turn.closed):
                self._defer(turn, letter)
            else:
                self._decide(turn, letter)

    def _fail(self, turn: _Turn[State], unreadable: AbstractSet[str]) -> None:
        """Answers for entities that this release cannot read; the others of the turn go on."""
        for letter in turn.letters:
            if self._is_for(letter, unreadable):
                letter.answer(Unavailable())
        turn.letters = [letter for letter in turn.letters if not self._is_for(letter, unreadable)]

    def _decide(self, turn: _Turn[State], letter: Envelope) -> None:
        """An exception fails its own message only: what it would have changed is not kept."""
        behaviour, command = self._behaviour, letter.command
        entity_id = behaviour.entity_id(command)
        now = max(turn.at, behaviour.updated_at(turn.states[entity_id]))
        records: list[RecordedEvent] = []
        try:
            self._apply_due(turn, entity_id, now)
            state = turn.states[entity_id]
            decided = behaviour.decide(state, command, now)
            for event in decided.events:
                state = self._record(records, state, entity_id, now, event)
            reply = decided.refusal or behaviour.reply(_existing(state), command, decided)
            keys = self._keys(records)
        except Exception:  # noqa: BLE001 - the rule: one message's bug must not take the turn down
            self._commit_relay.on_failed(command)
            letter.answer(Unavailable())
            return
        if self._has_any(turn, keys):
            self._defer(turn, letter)
            return
        self._accept(turn, entity_id, state, records, keys)
        turn.replies.append((letter, reply))
        if not records and (self._fence_reads or not behaviour.is_read(command)):
            turn.resting.add(entity_id)
        if decided.refusal is not None and letter.again and not letter.fenced:
            claim = behaviour.unique_key_of(command)
            if claim is not None:
                turn.refused[letter] = claim

    def _apply_due(self, turn: _Turn[State], entity_id: str, now: Instant) -> None:
        """Record what is true by the time alone, whatever comes of the command."""
        state = turn.states[entity_id]
        records: list[RecordedEvent] = []
        for event in self._behaviour.expire_if_due(state, now):
            state = self._record(records, state, entity_id, now, event)
        if records:
            self._accept(turn, entity_id, state, records, self._keys(records))

    def _accept(
        self,
        turn: _Turn[State],
        entity_id: str,
        state: State | None,
        records: Sequence[RecordedEvent],
        keys: Sequence[str],
    ) -> None:
        """Makes the events part of the next commit, so that the rest of the turn is decided on them."""
        turn.states[entity_id] = state
        turn.keys.update(dict.fromkeys(keys))
        for record in records:
            turn.records.append(record)
            turn.changed.add(entity_id)
            self._behaviour.on_decided(record.event)

    def _record(
        self, records: list[RecordedEvent], state: State | None, entity_id: str, now: Instant, event: Event
    ) -> State:
        """Adds the event to those of the next commit, and returns the state after it."""
        behaviour = self._behaviour
        entity, version = f"{behaviour.kind}:{entity_id}", behaviour.version(state) + 1
        records.append(RecordedEvent(entity, version, now, event, behaviour.commit_of(state), self._next_commit))
        return behaviour.evolve(state, records[-1], entity_id)

    def _keys(self, records: Sequence[RecordedEvent]) -> list[str]:
        """Return the journal keys of one letter's events. Raise ValueError for one that is there twice."""
        keys = [key for record in records for key in (record.key, *self._behaviour.unique_keys(record.event))]
        if len(set(keys)) < len(keys):
            raise ValueError("the events of one message have a key twice")
        return keys

    def _has_any(self, turn: _Turn[State], keys: Sequence[str]) -> bool:
        return not turn.keys.keys().isdisjoint(keys)

    def _defer(self, turn: _Turn[State], letter: Envelope) -> None:
        """Leave the letter to the next turn, and with it what comes after it for the same entity.

        By then the key is in the journal, where deciding with care finds it. A letter is deferred only by letters
        ahead of it, of which each such turn decides at least one, so its turn comes.
        """
        letter.deferred = True
        turn.deferred.append(letter)
        turn.closed.add(self._behaviour.entity_id(letter.command))

    async def _commit(self, turn: _Turn[State]) -> None:
        commit = Commit(self.writer, self._seq + 1, turn.at, tuple(turn.keys), tuple(turn.records))
        size = await self._append_until_known(commit)
        self._seq = commit.seq
        self._next_commit = commit_id(self.writer, commit.seq + 1)
        self.counters.commits += 1
        self.counters.events += len(turn.records)
        self._commit_relay.on_committed(commit, size)

    async def _append_until_known(self, commit: Commit) -> int:
        """Repeats the insert with the same id until its outcome is known; nothing is decided meanwhile.

        Until then new messages are told at once that the database is away.
        """
        delay = 0.05
        while True:
            try:
                size = await self._journal.append(commit)
            except StoreUnavailableError:
                self._store_away = True
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)
            except FencedError:
                self._store_away = False
                raise
            else:
                self._store_away = False
                return size

    async def _confirm_unwritten_replies(self, turn: _Turn[State]) -> list[tuple[Envelope, Reply]]:
        """The replies that may leave.

        Those that write nothing rest on memory alone: where another writer has the next version they are decided
        again, and where the journal cannot be asked their outcome is not known. A refusal of what was sent
        again because its answer was lost, and had taken effect, is decided again with care.
        """
        resting = {
            next_key(self._behaviour, entity_id, turn.states[entity_id]): entity_id
            for entity_id in turn.resting - turn.changed
        }
        if not resting and not turn.refused:
            return turn.replies
        try:
            taken = await self._journal.existing_keys({*resting, *turn.refused.values()})
        except StoreUnavailableError:
            unknown = set(resting.values())
            return [
                (letter, Unavailable() if letter in turn.refused or self._is_for(letter, unknown) else reply)
                for letter, reply in turn.replies
            ]
        stale = {entity_id for key, entity_id in resting.items() if key in taken}
        repeats = {letter for letter, claim in turn.refused.items() if claim in taken}
        if not stale and not repeats:
            return turn.replies
        leaving: list[tuple[Envelope, Reply]] = []
        undecided: list[tuple[Envelope, Reply]] = []
        for pair in turn.replies:
            (undecided if pair[0] in repeats or self._is_for(pair[0], stale) else leaving).append(pair)
        self._requeue(undecided)
        return leaving

    def _is_for(self, letter: Envelope, entity_ids: AbstractSet[str]) -> bool:
        return self._behaviour.entity_id(letter.command) in entity_ids

    def _requeue(self, undecided: Sequence[tuple[Envelope, Reply]]) -> None:
        """Forgets what these letters rested on and puts them back, to be decided on what is true."""
        self.counters.fenced += 1
        letters = [letter for letter, _ in undecided]
        self._evict(letters)
        for letter in letters:
            letter.fenced += 1
            if letter.fenced > self._limits.fenced:
                letter.answer(Unavailable())
        self._mailbox.put_back([letter for letter in letters if letter.fenced <= self._limits.fenced])

    def _split(self, turn: _Turn[State]) -> None:
        """Decides half as many letters a turn until they fit a commit; one that does not by itself fails."""
        letters = [letter for letter, _ in turn.replies]
        self._evict(letters)
        if len(letters) > 1:
            self._most = len(letters) // 2
            self._mailbox.put_back(letters)
            return
        for letter in letters:
            self._commit_relay.on_failed(letter.command)
            letter.answer(Unavailable())

    def _fail_turn(self, turn: _Turn[State]) -> None:
        self._evict(turn.letters)
        for letter in turn.letters:
            letter.answer(Unavailable())
        again_at = self._clock.now() + self._limits.retry_after
        for letter in turn.letters:
            if letter.delivery is None:
                self.timers.arm(again_at, letter.command)

    def _evict(self, letters: Sequence[Envelope]) -> None:
        for letter in letters:
            entity_id = self._behaviour.entity_id(letter.command)
            self._states.pop(entity_id, None)
            self._inherited.discard(entity_id)

    def _cache(self, turn: _Turn[State]) -> None:
        for entity_id, state in turn.states.items():
            if state is None:
                continue
            before = self._states.get(entity_id)
            self._states[entity_id] = state
            self._states.move_to_end(entity_id)
            self._set_timer(before, state)
        while len(self._states) > self._limits.entities:
            entity_id, _ = self._states.popitem(last=False)
            self._inherited.discard(entity_id)

    def _set_timer(self, before: State | None, state: State) -> None:
        """Arm what the state waits for, and take back what it waited for before: a hold that ended leaves nothing."""
        old = None if before is None or before is state else self._behaviour.timer(before)
        new = self._behaviour.timer(state)
        if old is not None and (new is None or new[1] != old[1]):
            self.timers.disarm(old[1])
        if new is not None:
            self.timers.arm(*new)

    def _project(self, turn: _Turn[State]) -> list[DocumentUpdate]:
        projections = list(turn.found)
        for record in turn.records:
            entity_id = record.entity.partition(":")[2]
            projections.extend(self._behaviour.projections(record, _existing(turn.states[entity_id])))
        return self._commit_relay.enqueue(projections)

    def _documents_to_await(self, replies: Sequence[tuple[Envelope, Reply]]) -> list[DocumentUpdate]:
        """Documents of earlier turns, not written yet, that these replies tell of."""
        promises = set[tuple[str, str]]()
        for letter, reply in replies:
            promised = self._behaviour.documents_before_reply(letter.command, reply)
            promises.update(promised)
            if promised and self._inherited:
                self._take_over(self._behaviour.entity_id(letter.command))
        return self._commit_relay.pending(promises)

    def _take_over(self, entity_id: str) -> None:
        """Note the documents that an inherited entity tells of: a writer that died may have written it before them."""
        state = self._states.get(entity_id)
        if entity_id in self._inherited and state is not None:
            self._inherited.discard(entity_id)
            self._commit_relay.enqueue(self._behaviour.told(state))

    async def _finish(self, before_reply: list[DocumentUpdate], replies: list[tuple[Envelope, Reply]]) -> None:
        """Writes what the replies promise and sends them, while the next turn already runs."""
        if not before_reply:
            _send(replies)
            return
        while len(self._finishing) >= self._limits.finishing:
            await asyncio.wait(self._finishing, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._finish_later(before_reply, replies))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _finish_later(
        self, before_reply: Sequence[DocumentUpdate], replies: Sequence[tuple[Envelope, Reply]]
    ) -> None:
        # A later turn's documents may be written before these: each is whole and guarded by its version.
        try:
            await self._commit_relay.write(before_reply)
        except StoreUnavailableError:
            replies = [(letter, Unavailable()) for letter, _ in replies]
        _send(replies)


def _send(replies: Sequence[tuple[Envelope, Reply]]) -> None:
    for letter, reply in replies:
        letter.answer(reply)


def _existing(state: State | None) -> State:
    if state is None:
        raise LookupError("an accepted command leaves an entity")
    return state
