"""Which shape the stored data has, and whether this release may work on it.

The note is in the collection `upgrades`, beside that of a restore that is under way.
"""

from actors.storage.database import Database, despite_contention, reaching_the_database

# Raised with every change of stored data that `holdfast migrate` makes.
SCHEMA = 1
# Up to which of them a release has to know what changed; older ones are refused. The others only add.
BREAKING = 1

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


async def note_schema(database: Database) -> None:
    """Note that the data is of this release's shape, unless it is of a newer one's. Raises StoreUnavailableError."""
    numbers = {"$max": {"schema": SCHEMA, "breaking": BREAKING}}
    with reaching_the_database():
        await despite_contention(lambda: database["upgrades"].update_one({"_id": _ID}, numbers, upsert=True))
