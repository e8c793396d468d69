"""Bringing a database up to this release: done by `holdfast migrate` and at every start, and harmless to repeat."""

from actors.mail.outbox import Outbox
from actors.mail.tokens import EmailTokens
from actors.storage.access_tokens import AccessTokenRecords
from actors.storage.database import Database, create_indexes, reaching_the_database
from actors.storage.documents import MongoDocuments
from actors.storage.favourites import Favourites
from actors.storage.reports import Reports
from actors.storage.revocations import RevocationRecords
from actors.storage.schema import check_schema, note_schema
from actors.storage.security_events import SecurityEventRecords
from actors.storage.sessions import SessionRecords
from actors.storage.upgrades import DocumentUpgrade, convert_email_keys
from actors.storage.users import Users
from actors.storage.webhook_deliveries import WebhookDeliveries
from actors.storage.webhook_endpoints import WebhookEndpoints

_OF_THE_API = (
    Users,
    RevocationRecords,
    SessionRecords,
    AccessTokenRecords,
    EmailTokens,
    SecurityEventRecords,
    Outbox,
    Reports,
    Favourites,
    WebhookEndpoints,
    WebhookDeliveries,
)


async def create_all_indexes(database: Database) -> None:
    """Create the indexes that are missing, those of actors and of the API. Raises StoreUnavailableError."""
    await create_indexes(database)
    with reaching_the_database():
        for repository in _OF_THE_API:
            await repository(database).create_indexes()


async def migrate(database: Database) -> None:
    """Do what has to be done before anybody comes: indexes, and the keys of email addresses.

    Raises schema.UnusableDataError for a database that this release must not work on, and StoreUnavailableError.
    """
    await check_schema(database)
    await create_all_indexes(database)
    await convert_email_keys(database)
    await note_schema(database)


async def upgrade_documents(database: Database) -> None:
    """Rewrite documents of older releases, which otherwise the Supervisor does. Raises StoreUnavailableError."""
    await DocumentUpgrade(database, MongoDocuments(database), pause_seconds=0).bring_over()
