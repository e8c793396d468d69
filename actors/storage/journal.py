"""The journal collection: one immutable document for each turn, its keys unique across all of them."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

import bson
import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import DocumentTooLarge, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from actors.domain.codec import Document, archived_event, decode_event_if_possible, encode_event
from actors.runtime.ports import (
    Commit,
    CommitTooLargeError,
    FencedError,
    Instant,
    RecordedEvent,
    StoreUnavailableError,
    commit_id,
    parse_commit_id,
    version_key,
)
from actors.storage.database import Database, despite_contention, has_replicas, reaching_the_database
from actors.storage.server import server_of

# MongoDB's limit for a document.
LARGEST_COMMIT = 16 * 1024 * 1024
TOO_LARGE = 10334
# A turn may have 11 MB: so many bytes are enough at once, though they may be one commit's.
PAGE_BYTES = 8 * 1024 * 1024
HISTORY_BATCH = 200
COUNTED_AT_ONCE = 1_000
HISTORY_SECONDS = 2.0
# Without a majority a linearizable read waits for ever, while callers want to know.
FENCE_MS = 5_000
# The field of a commit whose events are in an archive, with the name of the file. What is left of each of them is
# whose it is, its version, its time and its name.
ARCHIVED = "archive"
_USER = "user:"
_MOVED = ("data", "after", "trace")


class MongoJournal:
    """The journal in MongoDB; see runtime.ports.Journal for what each method promises."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._commits = database["journal"]
        self._here_and_now = self._commits.with_options(read_concern=ReadConcern("local"))
        self._linearizable = self._commits.with_options(read_concern=ReadConcern("linearizable"))
        self._as_bytes: AsyncCollection[Any] = self._commits.with_options(CodecOptions(RawBSONDocument))
        self._has_replicas = False

    async def append(self, commit: Commit) -> int:
        commit.check_keys()
        document = RawBSONDocument(bson.encode(_document(commit)))
        size = len(document.raw)
        if size > LARGEST_COMMIT:
            raise CommitTooLargeError
        try:
            with reaching_the_database():
                await despite_contention(lambda: self._commits.insert_one(document))
        except DocumentTooLarge as error:
            raise CommitTooLargeError from error
        except StoreUnavailableError as error:
            # Repeated it would be refused for ever.
            if getattr(error.__cause__, "code", None) == TOO_LARGE:
                raise CommitTooLargeError from error
            raise
        except DuplicateKeyError as error:
            # With our own id there, an earlier try of this very commit was written although its answer was lost. The
            # error does not tell: its keys are there as well, and servers name either index.
            if not await self._has(self._here_and_now, commit):
                raise FencedError from error
            # An election can still take back what no majority has: that it is there is not yet an answer.
            if not await self._has(self._commits, commit):
                raise StoreUnavailableError("no majority has the commit yet") from error
        return size

    async def _has(self, commits: AsyncCollection[Document], commit: Commit) -> bool:
        with reaching_the_database():
            return await commits.find_one({"_id": commit.id}, {"_id": 1}) is not None

    async def commits_with_keys(self, keys: Collection[str]) -> list[Commit]:
        with reaching_the_database():
            found = await self._commits.find({"keys": {"$in": sorted(keys)}}).to_list()
        return [_commit(document) for document in found]

    async def existing_keys(self, keys: Collection[str]) -> set[str]:
        # Answers leave by what is not found here. A primary that was replaced and does not know yet would find too
        # little: of replicas a majority is asked whether it still is the primary.
        self._has_replicas = self._has_replicas or has_replicas(self._client)
        commits = self._linearizable if self._has_replicas else self._commits
        wanted = set(keys)
        with reaching_the_database():
            asked = commits.find({"keys": {"$in": sorted(wanted)}}, {"keys": 1}, max_time_ms=FENCE_MS)
            found = await asked.to_list()
        return {key for document in found for key in document["keys"] if key in wanted}

    async def after(self, writer: str, seq: int, limit: int) -> list[Commit]:
        page: list[bytes] = []
        size = 0
        with reaching_the_database():
            ids = (await server_of(self._commits.database)).commits_after(writer, seq, limit)
            async with self._as_bytes.find({"_id": ids}).sort("_id", ASCENDING) as found:
                async for document in found:
                    page.append(document.raw)
                    size += len(document.raw)
                    if size >= PAGE_BYTES:
                        break
        return [_commit(bson.decode(document)) for document in page]

    async def committed_at(self, writer: str, seq: int) -> Instant | None:
        """When the writer made this commit, None when there is none of this number. Raises StoreUnavailableError."""
        with reaching_the_database():
            found = await self._commits.find_one({"_id": commit_id(writer, seq)}, {"at": 1})
        return None if found is None else int(found["at"])

    async def history(self, entity: str, after: int = 0, limit: int = HISTORY_BATCH) -> list[RecordedEvent]:
        """At most `limit` events of one entity, such as `ticket:<id>`, in order, from the version after `after` on.

        What else its commits hold stays in the database. Raises StoreUnavailableError, also after two seconds.
        """
        keys = [version_key(entity, version) for version in range(after + 1, after + 1 + limit)]
        own = {"$filter": {"input": "$events", "as": "event", "cond": {"$eq": ["$$event.entity", entity]}}}
        steps: list[Document] = [{"$match": {"keys": {"$in": keys}}}, {"$project": {"events": own, ARCHIVED: 1}}]
        with reaching_the_database(), pymongo.timeout(HISTORY_SECONDS):
            found = await (await self._commits.aggregate(steps)).to_list()
        records = [
            _record(event, document["_id"], document.get(ARCHIVED))
            for document in found
            for event in document["events"]
            if after < event["version"] <= after + limit
        ]
        return sorted(records, key=lambda record: record.version)

    async def archive(self, commits: Sequence[str], file: str) -> None:
        """Leave of commits that are in an archive file their keys and what their events are called.

        Raises StoreUnavailableError; may be repeated.
        """
        moved = {f"events.$[].{name}": "" for name in _MOVED}
        with reaching_the_database():
            # Of one that another run was faster with the first file counts.
            ours = {"_id": {"$in": list(commits)}, ARCHIVED: {"$exists": False}}
            change = {"$unset": moved, "$set": {ARCHIVED: file}}
            await despite_contention(lambda: self._commits.update_many(ours, change))

    async def length(self) -> int:
        """About how many commits there are. Raises StoreUnavailableError."""
        with reaching_the_database():
            return await self._commits.estimated_document_count()

    async def count_of(self, writer: str, last: int) -> int:
        """How many of the writer's first `last` commits there are. Raises StoreUnavailableError."""
        count = 0
        with reaching_the_database():
            server = await server_of(self._commits.database)
            for seq in range(0, last, COUNTED_AT_ONCE):
                ids = server.commits_after(writer, seq, min(COUNTED_AT_ONCE, last - seq))
                count += await self._commits.count_documents({"_id": ids})
        return count

    async def newest(self) -> str | None:
        """The id of the commit that came last, None when there is none. Raises StoreUnavailableError."""
        with reaching_the_database():
            found = await self._commits.find({}, {"_id": 1}).hint([("$natural", DESCENDING)]).limit(1).to_list()
        return found[0]["_id"] if found else None

    async def stored(self) -> AsyncIterator[bytes]:
        """Yield all commits as they are stored, in the order in which they came. Raises StoreUnavailableError."""
        with reaching_the_database():
            async for document in self._as_bytes.find({}):
                yield document.raw

    async def with_gaps(self, on_read: Callable[[int], None] = lambda _: None) -> set[str]:
        """The entities that lack a version between two that are there. Reads the whole journal, but of it names only.

        `on_read` is told after each commit how many were read. Raises StoreUnavailableError.
        """
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        versions: Counter[str] = Counter()
        commits = 0
        with reaching_the_database():
            async for document in self._commits.find({}, {"events.entity": 1, "events.version": 1}):
                for event in document["events"]:
                    entity, version = event["entity"], event["version"]
                    first[entity] = min(version, first.get(entity, version))
                    last[entity] = max(version, last.get(entity, version))
                    versions[entity] += 1
                commits += 1
                on_read(commits)
        return {entity for entity, count in versions.items() if count != last[entity] - first[entity] + 1}


def records_of(commit: Document, takes: Callable[[str], bool]) -> list[RecordedEvent]:
    """The events of a stored commit that are about the entities that `takes` says yes to."""
    archive = commit.get(ARCHIVED)
    return [_record(event, commit["_id"], archive) for event in commit["events"] if takes(event["entity"])]


def is_of_a_user(commit: Mapping[str, Any]) -> bool:
    """Whether a stored commit is of the relay of users' events, which is no host: its numbers have gaps."""
    return all(key.startswith(_USER) for key in commit["keys"])


def archived_form(commit: Document, file: str) -> Document:
    """What is left in the journal of a commit that is in this archive file."""
    events = [{name: value for name, value in event.items() if name not in _MOVED} for event in commit["events"]]
    return {**commit, "events": events, ARCHIVED: file}


def _document(commit: Commit) -> Document:
    return {
        "_id": commit.id,
        "at": commit.at,
        "keys": list(commit.keys),
        "events": [_event(record) for record in commit.records],
    }


def _event(record: RecordedEvent) -> Document:
    event = {"entity": record.entity, "version": record.version, "at": record.at, **encode_event(record.event)}
    if record.previous_commit is not None:
        event["after"] = record.previous_commit
    if record.traceparent is not None:
        event["trace"] = record.traceparent
    return event


def _commit(document: Document) -> Commit:
    commit = document["_id"]
    events: Sequence[Document] = document["events"]
    records = tuple(_record(event, commit, document.get(ARCHIVED)) for event in events)
    writer, seq = parse_commit_id(commit)
    return Commit(writer, seq, document["at"], tuple(document["keys"]), records)


def _record(event: Document, commit: str, archive: str | None) -> RecordedEvent:
    read = decode_event_if_possible(event) if archive is None else archived_event(event, archive)
    after, traceparent = event.get("after"), event.get("trace")
    return RecordedEvent(event["entity"], event["version"], event["at"], read, after, commit, traceparent)
