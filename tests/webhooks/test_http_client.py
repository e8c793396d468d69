"""Requests to addresses that others wrote go outside only, to the very address that was looked at."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from socket import AF_INET, gaierror

import pytest

from actors.webhooks.addresses import are_public, fault_of, is_public
from actors.webhooks.delivery import Attempt
from actors.webhooks.http_client import PublicResolver, WebhookClient
from tests.webhooks.conftest import Webhooks, says

NOW = 1_900_000_000_000
PUBLIC = "93.184.215.14"
PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104 - not bound
    "255.255.255.255", "240.0.0.1", "198.18.0.1", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:db8::1", "2001:0:4136:e378::1", "not an address", "",
]  # fmt: skip


class Names(PublicResolver):
    """Answers for the system's resolver, another answer each time."""

    def __init__(self, *answers: Sequence[str], local: bool = False) -> None:
        super().__init__(local=local)
        self.answers = list(answers)
        self.asked = 0

    def look_up(self, host: str, port: int, family: int) -> list[tuple[int, str]]:  # noqa: ARG002 - a resolver's
        self.asked += 1
        answer = self.answers.pop(0)
        if not answer:
            raise gaierror(-2, "unknown")
        return [(int(AF_INET), address) for address in answer]


@pytest.fixture
async def connections() -> AsyncIterator[list[str]]:
    """Where somebody connected to: a listener at every address of this machine that a test uses."""
    found: list[str] = []

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(str(writer.get_extra_info("sockname")[0]))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0)
    found.append(str(server.sockets[0].getsockname()[1]))
    yield found
    server.close()
    await server.wait_closed()


async def posted(url: str, names: PublicResolver, *, local: bool = False) -> Attempt:
    async with WebhookClient(local=local, timeout_seconds=2, resolver=names) as client:
        return await client.post(url, b"{}", {}, NOW)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_public_address_is_public(address: str) -> None:
    assert is_public(address)


def test_name_with_one_private_address_among_its_answers_is_not_public() -> None:
    assert are_public([PUBLIC])
    assert not are_public([PUBLIC, "10.0.0.1"])
    assert not are_public([])


@pytest.mark.parametrize("answer", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
async def test_name_that_answers_private_or_mixed_is_never_connected_to(
    connections: list[str], answer: list[str]
) -> None:
    attempt = await posted(f"http://hooks.example:{connections[0]}/", Names(answer))
    assert (attempt.status, attempt.error) == (None, "private address")
    assert connections[1:] == []


async def test_name_that_answers_private_is_connected_to_without_the_rule(connections: list[str]) -> None:
    await posted(f"http://hooks.example:{connections[0]}/", Names(["127.0.0.1"], local=True), local=True)
    assert connections[1:] == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:7f00:1]", "2130706433", "127.1", "%31%32%37.0.0.1"])
async def test_literal_private_address_is_never_connected_to(connections: list[str], host: str) -> None:
    names = Names(["127.0.0.1"])
    attempt = await posted(f"http://{host}:{connections[0]}/", names)
    assert attempt.status is None
    assert connections[1:] == []


async def test_name_is_resolved_once_and_a_second_answer_never_asked(webhooks: Webhooks) -> None:
    """DNS rebinding: the answer that was looked at is the one that is connected to."""
    receiver = await webhooks.receiver(says(204))
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    names = Names(["127.0.0.1"], ["192.0.2.1"], local=True)
    attempt = await posted(f"http://hooks.example:{port}/", names, local=True)
    assert (attempt.status, names.asked) == (204, 1)
    assert receiver.got[0][0]["host"] == f"hooks.example:{port}"


async def test_unknown_name_is_a_failure() -> None:
    assert (await posted("http://hooks.example/", Names([]))).error == "no connection"


async def test_nothing_is_sent_in_clear_to_an_address_with_https(webhooks: Webhooks) -> None:
    receiver = await webhooks.receiver(says(204))
    attempt = await posted(receiver.url.replace("http:", "https:"), PublicResolver(local=True), local=True)
    assert (attempt.status, receiver.got) == (None, [])


@pytest.fixture
async def tls_server(tmp_path: Path) -> AsyncIterator[tuple[int, Path, list[str]]]:
    """A server with a certificate for `hooks.example`: its port, the certificate, and the names asked for."""
    certificate, key, asked = tmp_path / "certificate.pem", tmp_path / "key.pem", list[str]()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=hooks.example"]
    names = ["-addext", "subjectAltName=DNS:hooks.example", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)  # noqa: ASYNC221 - before anything runs
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _socket, name, _context: asked.append(name or "")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1], certificate, asked
    server.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_certificate_is_checked_for_the_name_though_an_address_is_connected_to(
    tls_server: tuple[int, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, certificate, asked = tls_server
    names = [Names(["127.0.0.1"], local=True) for _ in range(3)]
    unknown = await posted(f"https://hooks.example:{port}/", names[0], local=True)
    assert (unknown.status, unknown.error) == (None, "certificate")
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    known = await posted(f"https://hooks.example:{port}/", names[1], local=True)
    assert (known.status, known.error) == (204, None)
    other = await posted(f"https://other.example:{port}/", names[2], local=True)
    assert (other.status, other.error) == (None, "certificate")
    assert asked == ["hooks.example", "hooks.example", "other.example"]


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://example.com/", "must begin with https://"),
        ("https://user:word@example.com/", "user name or password"),
        ("https://@example.com/", "user name or password"),
        ("https://example.com/#part", "must not have a #"),
        ("https://example.com:25/", "must have no port"),
        ("https://example.com:99999/", "must be an address"),
        ("https://10.0.0.1/", "private network"),
        ("https://[::1]/", "private network"),
        ("https://localhost/", "private network"),
        ("https://db.internal/", "private network"),
        ("https:///nothing", "must be an address"),
        ("https://example.com/" + "x" * 2_048, "must have at most 2,048"),
        ("https://exämple.com/", "printable ASCII"),
        ("https://example.com/a b", "printable ASCII"),
    ],
)
def test_address_that_cannot_be_an_endpoint_is_refused(url: str, fault: str) -> None:
    assert fault in (fault_of(url, local=False) or "")


@pytest.mark.parametrize("url", ["https://example.com", "https://example.com:8443/a?b=c", "https://93.184.215.14/"])
def test_address_outside_can_be_an_endpoint(url: str) -> None:
    assert fault_of(url, local=False) is None


def test_local_address_can_be_an_endpoint_where_local_receivers_are_allowed() -> None:
    assert fault_of("http://127.0.0.1:9000/", local=True) is None
