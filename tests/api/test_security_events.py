from typing import Any

import pytest
import structlog

from actors.domain.account_events import PasswordChanged, SignInFailed
from actors.domain.codec import encode_event
from actors.runtime.ports import Commit, RecordedEvent, StoreUnavailableError
from actors.storage.journal import MongoJournal
from actors.storage.security_events import KEPT_MS, SecurityEventRecords
from serve_app.security.audit_log import AuditLog
from tests.api.world import PASSWORD, World

NEW = "another horse battery"


async def recorded(world: World) -> list[dict[str, Any]]:
    await world.services.security_events.flush()
    found = await world.database["security_events"].find({}).sort("by_newest").to_list()
    return [{name: one[name] for name in one if name not in {"_id", "at", "by_newest"}} for one in found]


async def test_signing_in_and_out_and_changing_the_password_are_stored(world: World) -> None:
    before = len(await recorded(world))
    member = await world.member()
    account = {"email": member.email, "password": PASSWORD}
    await world.anyone().http.post("/api/users/signin", json={**account, "password": "wrong"})
    await world.anyone().http.post("/api/users/signin", json={**account, "email": "nobody@example.com"})
    await member.http.post("/api/users/password", json={"currentPassword": PASSWORD, "newPassword": NEW})
    await member.http.post("/api/users/signout")
    found = (await recorded(world))[before:]
    assert [event["type"] for event in found] == [
        "SignedIn", "SignInFailed", "SignInFailed", "PasswordChanged", "SignedIn", "SignedOut"
    ]  # fmt: skip
    assert found[1:3] == [{"type": "SignInFailed", "user_id": member.id}, {"type": "SignInFailed"}]


async def test_events_are_log_lines_without_addresses_passwords_or_tokens(world: World) -> None:
    with structlog.testing.capture_logs() as lines:
        member = await world.member()
        await world.anyone().http.post("/api/users/signin", json={"email": member.email, "password": "wrong password"})
    events = [line for line in lines if line["event"] == "security"]
    assert [line["event_type"] for line in events] == ["SignedIn", "SignInFailed"]
    for secret in (member.email, PASSWORD, "wrong password", member.http.cookies["session"]):
        assert secret not in str(lines)


class AwayRecords(SecurityEventRecords):
    """Cannot be reached while `away`."""

    away = True

    async def add(self, documents: Any) -> None:  # noqa: ANN401 - documents
        if self.away:
            raise StoreUnavailableError
        await super().add(documents)


async def test_events_wait_for_the_database_but_not_without_end(world: World) -> None:
    records = AwayRecords(world.database)
    events = AuditLog(records, world.clock)
    for number in range(10_002):
        events.record(PasswordChanged(f"{number:024x}"))
    with pytest.raises(StoreUnavailableError):
        await events.flush()
    records.away = False
    before = len(await recorded(world))
    for _ in range(2):
        await events.flush()
        assert len(await recorded(world)) - before == 10_000


async def test_an_event_stored_although_its_answer_was_lost_is_not_stored_twice(world: World) -> None:
    class LostAnswer(SecurityEventRecords):
        lost = False

        async def add(self, documents: Any) -> None:  # noqa: ANN401 - documents
            await super().add(documents)
            if not self.lost:
                self.lost = True
                raise StoreUnavailableError

    events = AuditLog(LostAnswer(world.database), world.clock)
    before = len(await recorded(world))
    events.record(PasswordChanged("a" * 24))
    with pytest.raises(StoreUnavailableError):
        await events.flush()
    await events.flush()
    assert len(await recorded(world)) - before == 1


async def test_failures_to_sign_in_are_stored_by_number_when_there_are_many(world: World) -> None:
    world.clock.advance(60)
    events = AuditLog(SecurityEventRecords(world.database), world.clock)
    before = len(await recorded(world))
    for _ in range(1_000):
        events.record(SignInFailed("b" * 24))
    await events.flush()
    assert len(await recorded(world)) - before == 20
    world.clock.advance(60)
    await events.flush()
    assert (await recorded(world))[before + 20 :] == [{"type": "SignInFailed", "count": 980}]


async def test_events_are_kept_for_ninety_days(world: World) -> None:
    records = SecurityEventRecords(world.database)
    events = AuditLog(records, world.clock)
    events.record(PasswordChanged("c" * 24))
    await events.flush()
    await records.drop_old(world.clock() + KEPT_MS - 1)
    assert (await records.of_user("c" * 24, 10)).items
    await records.drop_old(world.clock() + KEPT_MS + 1)
    assert not (await records.of_user("c" * 24, 10)).items


async def test_events_that_older_releases_wrote_into_the_journal_can_still_be_read(world: World) -> None:
    journal = MongoJournal(world.database)
    event = SignInFailed("d" * 24)
    old = RecordedEvent("security-old", 1, 1, event)
    await journal.append(Commit("security-old", 1, 1, (old.key,), (old,)))
    assert [record.event for record in await journal.history("security-old")] == [event]
    assert encode_event(event)["type"] == "SignInFailed"
