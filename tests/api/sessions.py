"""Sessions to test: what a client carries, and replicas with other parts."""

from dataclasses import replace

from actors.storage.sessions import SessionRecords
from actors.storage.users import User
from serve_app.accounts.session_cookies import Sessions
from serve_app.accounts.tokens import Session, Tokens
from serve_app.api import create_api
from serve_app.bootstrap import lifetimes_of
from tests.api.world import BASE_URL, Person, World

KEY = "a key that only tests know and trust and which is long enough for HS512 as well"
OTHER_KEY = "another key that only tests know of"
SECURE_URL = "https://localhost:8000"


def session_of(person: Person, world: World) -> Session:
    *_, newest = (cookie.value for cookie in person.http.cookies.jar if cookie.name == "session")
    assert newest
    return world.services.sessions._tokens.read(newest)


def token_of(world: World, user_id: str = "a" * 24) -> str:
    now = world.clock()
    return Tokens([KEY], world.clock).sign(Session(user_id, "5" * 32, now, now + 900_000))


async def status_of(person: Person) -> int:
    return (await person.http.get("/api/orders")).status_code


def sessions_with(
    world: World, *, records: SessionRecords | None = None, keys: list[str] | None = None, public_url: str = BASE_URL
) -> Sessions:
    """The world's sessions with one part replaced."""
    known, services = world.services.sessions, world.services
    return Sessions(
        known._tokens if keys is None else Tokens(keys, world.clock),
        records or known._records,
        services.users,
        revocations=known._revocations,
        lifetimes=lifetimes_of(services.settings),
        clock=world.clock,
        public_url=public_url,
    )


def served_by(world: World, sessions: Sessions, base_url: str = BASE_URL) -> Person:
    """A client of a replica with these sessions."""
    person = world.anyone(create_api(replace(world.services, sessions=sessions)))
    person.http.base_url = base_url
    return person


async def user_of(world: World, person: Person) -> User:
    user = await world.services.users.by_id(person.id)
    assert user is not None
    return user
