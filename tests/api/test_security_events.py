from collections.abc import Sequence

import pytest
import structlog
from pymongo.errors import ServerSelectionTimeoutError

from actors.domain.accounts import PasswordChanged, SignedIn, SignedOut, SignInFailed
from actors.runtime.ports import Commit, StoreUnavailableError
from actors.storage.journal import MongoJournal
from serve_app.security.events import SecurityEvents
from tests.api.world import PASSWORD, World

NEW = "another horse battery"


async def recorded(world: World) -> Sequence[object]:
    events = world.services.security_events
    await events.flush()
    return [record.event for record in await MongoJournal(world.database).history(events._writer)]


async def test_signing_in_and_out_and_changing_the_password_are_in_the_journal(world: World) -> None:
    before = len(await recorded(world))
    member = await world.member()
    account = {"email": member.email, "password": PASSWORD}
    await world.anyone().http.post("/api/users/signin", json={**account, "password": "wrong"})
    await world.anyone().http.post("/api/users/signin", json={**account, "email": "nobody@example.com"})
    await member.http.post("/api/users/password", json={"currentPassword": PASSWORD, "newPassword": NEW})
    await member.http.post("/api/users/signout")
    found = (await recorded(world))[before:]
    assert [type(event) for event in found] == [
        SignedIn, SignInFailed, SignInFailed, PasswordChanged, SignedIn, SignedOut
    ]  # fmt: skip
    assert found[1:3] == [SignInFailed(member.id), SignInFailed(None)]


async def test_events_are_log_lines_without_addresses_passwords_or_tokens(world: World) -> None:
    with structlog.testing.capture_logs() as lines:
        member = await world.member()
        await world.anyone().http.post("/api/users/signin", json={"email": member.email, "password": "wrong password"})
    events = [line for line in lines if line["event"] == "security"]
    assert [line["event_type"] for line in events] == ["SignedIn", "SignInFailed"]
    for secret in (member.email, PASSWORD, "wrong password", member.http.cookies["session"]):
        assert secret not in str(lines)


class AwayJournal(MongoJournal):
    """Cannot be reached while `away`."""

    away = True

    async def append(self, commit: Commit) -> int:
        if self.away:
            raise StoreUnavailableError(ServerSelectionTimeoutError.__name__)
        return await super().append(commit)


async def test_events_wait_for_the_database_but_not_without_end(world: World) -> None:
    journal = AwayJournal(world.database)
    events = SecurityEvents(journal, world.clock)

    async def written() -> int:
        found = 0
        while page := await journal.history(events._writer, found):
            found += len(page)
        return found

    for number in range(10_002):
        events.note(SignInFailed(f"{number:024x}"))
    with pytest.raises(StoreUnavailableError):
        await events.flush()
    journal.away = False
    await events.flush()
    assert await written() == 10_000
    await events.flush()
    assert await written() == 10_000
