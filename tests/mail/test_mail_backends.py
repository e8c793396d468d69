"""Mail leaves through a real SMTP server, or into a file."""

import asyncio
import stat
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from actors.mail.backends import FileBackend, NotSentError, SmtpBackend, compose
from actors.mail.templates import Message

LETTER = Message("Your ticket: Zauberflöte", "Grüße\n\nhttps://tickets.example/verify#token=abc\n")
SENDER = "Holdfast <tickets@example.com>"


class Inbox:
    """What a mail server got; `answer` is what it says to each mail."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: ANN401, N802
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return self.answer


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
async def server(inbox: Inbox) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    serving = await loop.create_server(lambda: SMTP(inbox, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0)
    async with serving:
        yield f"smtp://127.0.0.1:{serving.sockets[0].getsockname()[1]}"


async def test_a_mail_arrives_as_it_was_written(server: str, inbox: Inbox) -> None:
    await SmtpBackend(f"{server}?starttls=no", SENDER).send("receipt:1", "ada@example.com", LETTER)
    ((recipients, message),) = inbox.mails
    assert recipients == ["ada@example.com"]
    assert message["From"] == SENDER
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == LETTER.subject
    assert message.get_content().replace("\r\n", "\n") == LETTER.text
    assert message["Message-ID"] == "<receipt.1@example.com>"


async def test_domain_in_any_script_needs_no_server_that_knows_it() -> None:
    message = compose("receipt:1", SENDER, "ada@bücher.example", LETTER)
    assert message["To"] == "ada@xn--bcher-kva.example"
    assert compose("receipt:1", SENDER, "ada@tickets_office.local", LETTER)["To"] == "ada@tickets_office.local"


async def test_addresses_in_all_scripts_are_written_to(server: str, inbox: Inbox) -> None:
    await SmtpBackend(f"{server}?starttls=no", SENDER).send("receipt:1", "jürgen@exämple.de", LETTER)
    ((_, message),) = inbox.mails
    assert message["To"] == "jürgen@exämple.de"


async def test_a_server_without_starttls_gets_nothing_unless_that_was_allowed(server: str, inbox: Inbox) -> None:
    with pytest.raises(NotSentError):
        await SmtpBackend(server, SENDER).send("receipt:1", "ada@example.com", LETTER)
    assert inbox.mails == []


async def test_a_mail_that_is_refused_was_not_sent(server: str, inbox: Inbox) -> None:
    inbox.answer = "451 Come again"
    with pytest.raises(NotSentError):
        await SmtpBackend(f"{server}?starttls=no", SENDER).send("receipt:1", "ada@example.com", LETTER)


async def test_a_server_that_is_away_is_no_surprise() -> None:
    with pytest.raises(NotSentError):
        await SmtpBackend("smtp://127.0.0.1:1", SENDER).send("receipt:1", "ada@example.com", LETTER)


def test_a_title_cannot_add_headers() -> None:
    content = Message("Your ticket: x\r\nBcc: everybody@example.com", "text")
    message = compose("receipt:1", SENDER, "ada@example.com", content)
    assert message["Bcc"] is None
    assert message["Subject"] == "Your ticket: x Bcc: everybody@example.com"


async def test_without_a_server_mails_are_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    await FileBackend(tmp_path / "mail", SENDER).send("verification:1", "jürgen@exämple.de", LETTER)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == "verification-1.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert message["To"] == "jürgen@exämple.de"
    assert "#token=abc" in message.get_content()


async def test_a_folder_that_cannot_be_written_counts_as_a_mail_not_sent(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file is in the way")
    with pytest.raises(NotSentError):
        await FileBackend(tmp_path / "mail", SENDER).send("verification:1", "ada@example.com", LETTER)
