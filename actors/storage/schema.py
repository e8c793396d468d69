"""Which shape the stored data has, and whether this release may work on it.

The note is in the collection `upgrades`, beside that of a restore that is under way.
"""

from actors.storage.database import Database, despite_contention, reaching_the_database

# Raised with every change of stored data that `holdfast migrate` makes.
SCHEMA = 2
# Up to which of them a release has to know what changed; older ones are refused. The others only add.
BREAKING = 1
# The first release that knows archived commits. Older ones are refused from the first archive on.
ARCHIVES = 2

_ID = "schema"
RESTORE_ID = "restore"


class UnusableDataError(Exception):
    """This release must not work on the database; the message is one line that says what to do."""


async def check_schema(database: Database) -> None:
    """Raise UnusableDataError for data of a newer, breaking release and for half a restore; StoreUnavailableError."""
    with reaching_the_database():
        notes = {note["_id"]: note async for note in database["upgrades"].find({"_id": {"$in": [_ID, RESTORE_ID]}})}
    if RESTORE_ID in notes:
        raise UnusableDataError(
            "a restore into this database is unfinished: run `holdfast restore` with the same backup again"
        )
    refuse_newer(notes.get(_ID, {}).get("breaking", 0), "the database is")


def refuse_newer(breaking: int, what: str) -> None:
    """Raise UnusableDataError if what is stored is of a release that this one does not understand."""
    if breaking > SCHEMA:
        raise UnusableDataError(
            f"{what} of a newer release (schema {breaking}, this release knows {SCHEMA}): install that release"
        )


async def breaking_of(database: Database) -> int:
    """Return which schema a release has to know to work on the database. Raises StoreUnavailableError."""
    with reaching_the_database():
        return int((await database["upgrades"].find_one({"_id": _ID}) or {}).get("breaking", BREAKING))


async def note_schema(database: Database) -> None:
    """Note that the data is of this release's shape, unless it is of a newer one's. Raises StoreUnavailableError."""
    await _note(database, breaking=BREAKING)


async def note_archives(database: Database) -> None:
    """Note that there are archived commits. Raises StoreUnavailableError."""
    await _note(database, breaking=ARCHIVES)


async def _note(database: Database, *, breaking: int) -> None:
    numbers = {"$max": {"schema": SCHEMA, "breaking": breaking}}
    with reaching_the_database():
        await despite_contention(lambda: database["upgrades"].update_one({"_id": _ID}, numbers, upsert=True))
