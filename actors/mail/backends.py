"""How mail leaves: through an SMTP server, or without one into files that a developer can look at."""

import asyncio
import os
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import structlog
from email_validator import EmailNotValidError, validate_email

from actors.mail.templates import Message

SMTP_SECONDS = 10.0
_AT_A_TIME = 4
_PORTS = {"smtp": 587, "smtps": 465}

logger = structlog.get_logger(__name__)


class NotSentError(Exception):
    """The mail did not leave; trying again makes sense."""


class EmailBackend(Protocol):
    """Takes mail to people."""

    async def send(self, mail_id: str, address: str, letter: Message) -> None:
        """Send one mail. Raises NotSentError."""


class SmtpBackend:
    """Sends through the server of `smtp://user:password@host:port` or `smtps://…`.

    `?starttls=no` sends in the clear, for a server on the same machine.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._hostname = parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._use_tls = parts.scheme == "smtps"
        # Where the server has none nothing is sent: a password or a link must not be read on the way.
        self._start_tls = not self._use_tls and parse_qs(parts.query).get("starttls") != ["no"]
        self._room = asyncio.Semaphore(_AT_A_TIME)

    async def send(self, mail_id: str, address: str, letter: Message) -> None:
        """Hand it to the server. Raises NotSentError."""
        message = compose(mail_id, self._sender, address, letter)
        async with self._room:
            try:
                await aiosmtplib.send(
                    message,
                    hostname=self._hostname,
                    port=self._port,
                    username=self._username,
                    password=self._password,
                    use_tls=self._use_tls,
                    start_tls=self._start_tls,
                    timeout=SMTP_SECONDS,
                )
            except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
                raise NotSentError(type(error).__name__) from error


class FileBackend:
    """Writes each mail into a file that only its owner can read, and says so in the log."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, mail_id: str, address: str, letter: Message) -> None:
        """Write the file. Raises NotSentError."""
        path = self._folder / f"{mail_id.replace(':', '-')}.eml"
        content = compose(mail_id, self._sender, address, letter).as_bytes()
        try:
            await asyncio.to_thread(_write, path, content)
        except OSError as error:
            raise NotSentError(type(error).__name__) from error
        logger.info("mail_written", file=str(path))


def compose(mail_id: str, sender: str, address: str, letter: Message) -> EmailMessage:
    """Return the message. The same mail has the same Message-ID, so that one that is sent twice is shown once."""
    address = _understood_by_most(address)
    message = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
    message["From"] = sender
    message["To"] = address
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{mail_id.replace(':', '.')}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    # RFC 3834: nobody's holiday answers us.
    message["Auto-Submitted"] = "auto-generated"
    # Without the line breaks of quoted-printable, whoever looks into the file can copy the link.
    message.set_content(letter.text, cte="7bit" if letter.text.isascii() else None)
    return message


def _understood_by_most(address: str) -> str:
    """Return the address in ASCII where it has such a form: only the part before the @ needs a server with SMTPUTF8."""
    try:
        return validate_email(address, check_deliverability=False).ascii_email or address
    except EmailNotValidError:
        return address  # from before addresses were checked as they are now


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
