"""Everything an operator can set, under the names of the environment variables (upper case) or ``.env``."""

import hashlib
import hmac
import importlib.util
import os
import secrets
from decimal import Decimal
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config import secret_file, setting_errors
from config.currencies import MARKET_CURRENCIES

# Names the file with the settings; the default is .env. Actors and replicas read it at each of their starts.
SETTINGS_FILE = "HOLDFAST_SETTINGS"


class SettingsError(Exception):
    """Some settings cannot be used. ``lines`` says what to do about each, and never repeats a value."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _market_currency(code: str) -> str:
    if code.lower() not in MARKET_CURRENCIES:
        raise ValueError(f"must be one of {', '.join(sorted(MARKET_CURRENCIES))}")
    return code.lower()


def _address(*schemes: str) -> AfterValidator:
    return AfterValidator(lambda value: _address_of(value, *schemes))


def _address_of(value: str, *schemes: str) -> str:
    try:
        address = urlsplit(value)
        _ = address.port  # looked at when it is read
    except ValueError:  # whose text would repeat a part of the password
        raise ValueError("has no valid host and port: write / @ : ? # of a password as %2F %40 %3A %3F %23") from None
    if address.scheme not in schemes or not address.netloc:
        raise ValueError(f"must be an address that starts with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    return value.rstrip("/")


def _mongodb(value: str) -> str:
    # With several hosts, which only MongoDB's own parser understands. Its texts may repeat a part of the password.
    if not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("must be an address that starts with mongodb:// or mongodb+srv://")
    # pymongo takes longer to import than everything else here.
    from pymongo.errors import PyMongoError  # noqa: PLC0415 - as said above
    from pymongo.uri_parser import parse_uri  # noqa: PLC0415 - as said above

    try:
        if value.startswith("mongodb://"):  # the other one asks a name server
            parse_uri(value)
    except (PyMongoError, ValueError):
        raise ValueError(
            "MongoDB does not understand it: write / @ : ? # of a password as %2F %40 %3A %3F %23"
        ) from None
    return value.rstrip("/")


def _publishable(key: str) -> str:
    # It stands in pages: the secret key, pasted into the wrong line, would be everybody's.
    if not key.startswith("pk_"):
        raise ValueError("must be the publishable key (pk_...) of your Stripe account: pages show it to everybody")
    return key


def _long_enough_to_sign(keys: SecretStr) -> SecretStr:
    # RFC 7518 section 3.2: a key for HS256 has at least 256 bits.
    if any(len(key.encode()) < 32 for key in _ring(keys)):  # noqa: PLR2004 - the rule above, in bytes
        raise ValueError("must have at least 32 characters a key, for example the output of `openssl rand -hex 32`")
    return keys


def _ring(keys: SecretStr) -> list[str]:
    return [key.strip() for key in keys.get_secret_value().split(",")]


def _mail_server(url: SecretStr) -> SecretStr:
    _address_of(url.get_secret_value(), "smtp", "smtps")
    return url


def _mail_address(text: str) -> str:
    # A line break would begin another header.
    if "@" not in parseaddr(text)[1] or not text.isprintable():
        raise ValueError("must be an address such as Holdfast <tickets@example.com>")
    return text


def _contact(text: str) -> str:
    # A line break would begin another field (RFC 9116).
    if not text.startswith(("mailto:", "https://", "tel:")) or not text.isprintable() or " " in text:
        raise ValueError("must be an address such as mailto:security@example.com or https://example.com/report")
    return text


def _listening_addresses(text: str) -> str:
    try:
        return ",".join(str(ip_address(each.strip())) for each in text.split(","))
    except ValueError:
        raise ValueError("must be IP addresses of this machine, separated by commas: 0.0.0.0,:: are all") from None


def _traced(address: str) -> str:
    if not _has("opentelemetry.exporter.otlp.proto.http"):
        raise ValueError("needs an exporter of spans: pip install 'holdfast[tracing]'")
    return address


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _local_address(data: dict[str, Any]) -> str:
    return f"http://localhost:{data.get('http_port', 8000)}"


# Of which requests the log has a line: those that failed on our side, also those that may change something, or all.
LoggedRequests = Literal["errors", "changes", "all"]
_WebAddress = Annotated[str, _address("http", "https")]
_Percent = Annotated[Decimal, Field(decimal_places=2, allow_inf_nan=False)]


class Settings(BaseSettings):
    """The settings of one market. Raises ValidationError; ``load`` turns that into one clear line per mistake."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    holdfast_env: Literal["development", "test", "production"] = "development"
    # Nobody else's: who serves a network says so.
    http_host: Annotated[str, AfterValidator(_listening_addresses)] = "127.0.0.1,::1"
    http_port: int = Field(default=8000, ge=1, le=65535)
    dashboard_port: int = Field(default=8265, ge=0, le=65535)
    data_dir: Path = Path(".holdfast")
    # The addresses can hold passwords, so they stay out of the representation.
    mongodb_url: Annotated[str, AfterValidator(_mongodb)] | None = Field(default=None, repr=False)
    redis_url: Annotated[str, _address("redis", "rediss")] | None = Field(default=None, repr=False)
    jwt_key: Annotated[SecretStr, AfterValidator(_long_enough_to_sign)] | None = None
    stripe_key: SecretStr | None = None
    stripe_api_base: _WebAddress | None = None
    stripe_webhook_secret: SecretStr | None = None
    stripe_publishable_key: Annotated[str, AfterValidator(_publishable)] | None = None
    public_url: _WebAddress = Field(default_factory=_local_address)
    # NIST SP 800-63B-4: 15 when the password is the only factor; argon2 input stays small.
    password_min_length: int = Field(default=15, ge=8, le=64)
    # OWASP, Password Storage Cheat Sheet: argon2id with 19 MiB, 2 iterations, 1 degree of parallelism. 24 ms here.
    argon2_memory_kib: int = Field(default=19_456, ge=8_192, le=1_048_576)
    argon2_iterations: int = Field(default=2, ge=1, le=20)
    argon2_parallelism: int = Field(default=1, ge=1, le=8)
    session_token_seconds: int = Field(default=900, ge=10, le=3_600)
    session_idle_seconds: int = Field(default=86_400, ge=60, le=2_592_000)
    session_seconds: int = Field(default=604_800, ge=60, le=2_592_000)
    # Our own HAProxy is one.
    trusted_proxies: int = Field(default=1, ge=1, le=10)
    # The address can hold a password.
    smtp_url: Annotated[SecretStr, AfterValidator(_mail_server)] | None = None
    mail_from: Annotated[str, AfterValidator(_mail_address)] = "Holdfast <no-reply@localhost>"
    security_contact: Annotated[str, AfterValidator(_contact)] | None = None
    require_verified_email: bool = False
    reservation_seconds: int = Field(default=900, ge=1, le=86_400)
    offer_seconds: int = Field(default=600, ge=1, le=86_400)
    # What a consumer of events that was away may miss without asking the journal; Redis keeps so much.
    event_retention_seconds: int = Field(default=86_400, ge=60, le=2_592_000)
    payment_grace_seconds: int = Field(default=60, ge=0, le=3_600)
    payment_attempts: int = Field(default=1, ge=1, le=10)
    max_holds_per_buyer: int = Field(default=10, ge=1, le=10_000)
    fee_percent: _Percent = Field(default=Decimal(0), ge=0, lt=100)
    resale_cap_percent: _Percent | None = Field(default=None, ge=1, le=10_000)
    rate_limits: bool = True
    metrics: bool = True
    max_webhook_endpoints: int = Field(default=1_000, ge=0, le=100_000)
    webhook_local_receivers: bool = False
    # Unset: as many as a replica has room for.
    live_streams: int | None = Field(default=None, ge=1, le=100_000)
    ticket_placement: Literal["shared", "dedicated"] = "shared"
    # Each is a process of 50 MB (measured).
    dedicated_actors: int = Field(default=100, ge=0, le=10_000)
    ticket_actors: int = Field(default=1, ge=1, le=1_024)
    # Unset: as many as there are, until somebody scales.
    max_ticket_actors: int | None = Field(default=None, ge=1, le=1_024)
    order_actors: int = Field(default=1, ge=1, le=1_024)
    payment_actors: int = Field(default=1, ge=1, le=1_024)
    api_replicas: int = Field(default=1, ge=1, le=1_024)
    currency: Annotated[str, AfterValidator(_market_currency)] = "usd"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # A line costs 5 us (measured), and most requests only read: a line for each is for those who ask for it.
    log_requests: LoggedRequests = "changes"
    # As OpenTelemetry names them.
    otel_exporter_otlp_endpoint: Annotated[_WebAddress, AfterValidator(_traced)] | None = None
    otel_traces_sampler_arg: float = Field(default=0.01, ge=0, le=1)

    @model_validator(mode="after")
    def _refuse(self) -> Self:
        lines = setting_errors.ports(self.http_port, self.dashboard_port)
        if self.holdfast_env == "production":
            lines += setting_errors.production(
                missing=[name for name in setting_errors.NEEDED_IN_PRODUCTION if getattr(self, name) is None],
                rate_limits=self.rate_limits,
                webhook_local_receivers=self.webhook_local_receivers,
                public_url=self.public_url,
                stripe_key=self.stripe_key.get_secret_value() if self.stripe_key else "",
                stripe_api_base=self.stripe_api_base or "",
                mongodb_url=self.mongodb_url or "",
            )
        if lines:
            raise ValueError("\n".join(lines))
        return self

    @property
    def http_hosts(self) -> tuple[str, ...]:
        """The addresses at which the marketplace listens."""
        return tuple(self.http_host.split(","))

    @property
    def local_url(self) -> str:
        """Where programs on this machine reach the marketplace."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http_hosts[0], self.http_hosts[0])  # noqa: S104 - not bound
        return f"http://[{host}]:{self.http_port}" if ":" in host else f"http://{host}:{self.http_port}"

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers are told to send the session over https only: so when the public address is https."""
        return self.public_url.startswith("https://")

    @property
    def sandbox_payments(self) -> bool:
        """Whether payments go to the built-in sandbox instead of Stripe: so when there is no Stripe key."""
        return self.stripe_key is None

    @property
    def archive_dir(self) -> Path:
        """Where archived commits are, unless a command is told another folder."""
        return self.data_dir / "archive"

    @property
    def reservation_window_ms(self) -> int:
        """How long a ticket is held for its buyer, in milliseconds."""
        return self.reservation_seconds * 1_000

    @property
    def offer_window_ms(self) -> int:
        """How long an offer of the waiting list stands, in milliseconds."""
        return self.offer_seconds * 1_000

    @property
    def payment_grace_ms(self) -> int:
        """How much a hold may be extended for a payment that began in time, in milliseconds."""
        return self.payment_grace_seconds * 1_000

    @property
    def fee_hundredths(self) -> int:
        """What the market keeps of a price, in hundredths of a percent."""
        return int(self.fee_percent * 100)

    @property
    def resale_cap_hundredths(self) -> int | None:
        """The most that a ticket may cost, in hundredths of a percent of its face value; None for any price."""
        return None if self.resale_cap_percent is None else int(self.resale_cap_percent * 100)

    @property
    def session_keys(self) -> tuple[SecretStr, ...]:
        """The keys of sessions, the first of which signs: ``JWT_KEY``, or outside production ``DATA_DIR/jwt.key``.

        Reads or makes the file, so ask once at start. Raises OSError when that fails.
        """
        keys = self.jwt_key or SecretStr(secret_file.read_or_create(self.data_dir / "jwt.key"))
        return tuple(SecretStr(key) for key in _ring(keys))

    @property
    def ingress_keys(self) -> tuple[str, ...]:
        """What HAProxy shows so that replicas believe it about a client's address: one of each session key.

        The first is the one to show. As with `session_keys`, ask once at start. Raises OSError.
        """
        return tuple(_derived(key, b"haproxy of the market") for key in self.session_keys)

    @property
    def webhook_secret(self) -> SecretStr:
        """What signs Stripe's events: ``STRIPE_WEBHOOK_SECRET``, or for the sandbox one made of the session key.

        Without either it is a random one that signs nothing: purchases then go on by asking Stripe, some seconds later.
        """
        if self.stripe_webhook_secret is not None:
            return self.stripe_webhook_secret
        if not self.sandbox_payments:
            return SecretStr(secrets.token_hex(32))
        return SecretStr("whsec_" + _derived(self.session_keys[0], b"webhooks of the sandbox"))


def _derived(key: SecretStr, purpose: bytes) -> str:
    return hmac.new(key.get_secret_value().encode(), purpose, hashlib.sha256).hexdigest()


def load() -> Settings:
    """Return the settings of the environment, and of the file that HOLDFAST_SETTINGS names or ``.env``.

    Raises SettingsError with one line per mistake.
    """
    named = os.environ.get(SETTINGS_FILE)
    # Without its file a market would start on defaults: for development, and with imaginary money.
    if named and not os.access(named, os.R_OK):
        raise SettingsError((f"{SETTINGS_FILE} names a file that cannot be read: {named}",))
    try:
        return Settings(_env_file=named) if named else Settings()
    except ValidationError as error:
        raise SettingsError(tuple(setting_errors.explain(error))) from None
