import importlib.util
import stat
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr, ValidationError

from config import ports
from config.ports import MarketPorts
from config.ray_environment import ray_environment
from config.settings import Settings, SettingsError, load
from serve_app.bootstrap import warn_of_missing_keys

PRODUCTION = {
    "HOLDFAST_ENV": "production",
    "JWT_KEY": "0123456789abcdef0123456789abcdef",
    "STRIPE_KEY": "sk_live_example",
    "MONGODB_URL": "mongodb://db/holdfast",
    "REDIS_URL": "redis://redis/0",
    "PUBLIC_URL": "https://tickets.example",
    "SMTP_URL": "smtps://mail.example",
}


@pytest.fixture
def lines_for(monkeypatch: pytest.MonkeyPatch) -> "Complaints":
    return Complaints(monkeypatch)


class Complaints:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, **environment: str) -> tuple[str, ...]:
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError) as refused:
            load()
        return refused.value.lines


def test_nothing_has_to_be_set() -> None:
    settings = load()

    assert (settings.http_port, settings.public_url) == (8000, "http://localhost:8000")
    assert settings.reservation_window_ms == 900_000
    assert settings.sandbox_payments
    assert not settings.secure_cookies


def test_a_complete_production_configuration_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)

    settings = load()

    assert settings.secure_cookies
    assert not settings.sandbox_payments


@pytest.mark.parametrize("missing", ["JWT_KEY", "STRIPE_KEY", "MONGODB_URL", "REDIS_URL"])
def test_production_refuses_to_start_without_a_required_setting(missing: str, lines_for: Complaints) -> None:
    (line,) = lines_for(**{name: value for name, value in PRODUCTION.items() if name != missing})

    assert line.startswith(f"{missing} is missing: set it")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMITS", "off"),
        ("PUBLIC_URL", "http://tickets.example"),
        ("STRIPE_KEY", "sk_test_example"),
        ("STRIPE_KEY", "rk_test_example"),
        ("STRIPE_API_BASE", "https://api.stripe.example"),
        ("STRIPE_API_BASE", "http://api.stripe.com"),
        ("STRIPE_API_BASE", "https://api.stripe.com@elsewhere.example"),
        ("MONGODB_URL", "mongodb://db/holdfast?readPreference=secondaryPreferred"),
        ("MONGODB_URL", "mongodb://db/holdfast?w=1"),
        ("MONGODB_URL", "mongodb://db/holdfast?journal=false"),
        ("MONGODB_URL", "mongodb+srv://db/holdfast?replicaSet=rs0&readconcernlevel=local"),
    ],
)
def test_production_refuses_unsafe_settings(name: str, value: str, lines_for: Complaints) -> None:
    (line,) = lines_for(**PRODUCTION | {name: value})

    assert line.startswith(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_KEY", "rk_live_example"),
        ("STRIPE_API_BASE", "https://api.stripe.com"),
        ("MONGODB_URL", "mongodb://a,b/holdfast?replicaSet=rs0&w=majority&readPreference=primary&tls=true"),
    ],
)
def test_production_accepts_safe_settings(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each, said in (PRODUCTION | {name: value}).items():
        monkeypatch.setenv(each, said)

    assert load().holdfast_env == "production"


def test_each_mistake_gets_one_line_that_names_the_variable(lines_for: Complaints) -> None:
    lines = lines_for(HTTP_PORT="http", RESERVATION_SECONDS="0", RATE_LIMITS="perhaps", TICKET_PLACEMENT="anywhere")

    assert lines == (
        "HTTP_PORT must be a whole number",
        "RESERVATION_SECONDS must be greater than or equal to 1",
        "RATE_LIMITS must be on or off",
        "TICKET_PLACEMENT must be 'shared' or 'dedicated'",
    )


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("FEE_PERCENT", "eight", "FEE_PERCENT must be a number"),
        ("FEE_PERCENT", "NaN", "FEE_PERCENT must be a finite number"),
        ("FEE_PERCENT", "-0.01", "FEE_PERCENT must be greater than or equal to 0"),
        ("FEE_PERCENT", "100", "FEE_PERCENT must be less than 100"),
        ("FEE_PERCENT", "8.005", "FEE_PERCENT must have at most two decimals"),
        ("RESALE_CAP_PERCENT", "0", "RESALE_CAP_PERCENT must be greater than or equal to 1"),
        ("RESALE_CAP_PERCENT", "110.125", "RESALE_CAP_PERCENT must have at most two decimals"),
    ],
)
def test_fee_or_cap_that_cannot_be_is_refused(name: str, value: str, line: str, lines_for: Complaints) -> None:
    assert lines_for(**{name: value}) == (line,)


@pytest.mark.parametrize(("value", "hundredths"), [("8.5", 850), ("0", 0), ("99.99", 9_999)])
def test_fee_is_known_to_a_hundredth_of_a_percent(value: str, hundredths: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEE_PERCENT", value)
    monkeypatch.setenv("RESALE_CAP_PERCENT", "")
    assert (load().fee_hundredths, load().resale_cap_hundredths) == (hundredths, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "redis://:sesame/pw@localhost:6379"),
        ("REDIS_URL", "redis://:sesame@localhost:99999"),
        ("MONGODB_URL", "mongodb://sesame:p@ss@localhost/holdfast"),
        ("MONGODB_URL", "mongodb://sesame@localhost:99999/holdfast"),
    ],
)
def test_an_address_that_its_driver_would_not_understand_is_refused_without_a_word_of_it(
    name: str, value: str, lines_for: Complaints
) -> None:
    (line,) = lines_for(**{name: value})
    assert line.startswith(name)
    assert "of a password as %2F" in line
    assert "sesame" not in line


def test_no_setting_error_repeats_a_secret(lines_for: Complaints) -> None:
    lines = lines_for(JWT_KEY="too-short-a-secret", MONGODB_URL="http://user:hunter2@db", REDIS_URL="hunter3")

    assert len(lines) == 3
    assert not any(secret in "".join(lines) for secret in ("too-short-a-secret", "hunter2", "hunter3"))


def test_the_representation_of_settings_repeats_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (PRODUCTION | {"MONGODB_URL": "mongodb://user:hunter2@db"}).items():
        monkeypatch.setenv(name, value)

    assert not any(secret in repr(load()) for secret in ("hunter2", PRODUCTION["JWT_KEY"], PRODUCTION["STRIPE_KEY"]))


@pytest.mark.parametrize("currency", ["jpy", "kwd", "isk", "zmw", "dollars"])
def test_a_currency_without_two_decimals_or_a_known_minimum_is_refused(currency: str, lines_for: Complaints) -> None:
    (line,) = lines_for(CURRENCY=currency)

    assert line.startswith("CURRENCY must be one of aed, aud, ")


def test_the_marketplace_and_the_dashboard_cannot_share_a_port(lines_for: Complaints) -> None:
    (line,) = lines_for(HTTP_PORT="9000", DASHBOARD_PORT="9000")

    assert line.startswith("HTTP_PORT and DASHBOARD_PORT are the same")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_KEY", "")

    assert load().sandbox_payments


def test_a_session_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = Settings(data_dir=tmp_path).session_keys[0]
    second = Settings(data_dir=tmp_path).session_keys[0]

    assert first.get_secret_value() == second.get_secret_value()
    assert len(first.get_secret_value()) == 64
    assert stat.S_IMODE((tmp_path / "jwt.key").stat().st_mode) == 0o600


def test_two_markets_share_no_port_and_no_path(tmp_path: Path) -> None:
    one = ray_environment(Settings(data_dir=tmp_path / "one"), MarketPorts(20_000))
    other = ray_environment(Settings(data_dir=tmp_path / "other"), MarketPorts(20_200))

    places = {name for name in one if name.endswith(("_PORT", "_PATH", "_LOC", "_BASE", "_FILE"))}
    own = places - {"RAY_SERVE_HAPROXY_BINARY_PATH"} | {"TMPDIR", "HOLDFAST_INGRESS_KEY"}  # one program for all markets
    assert len(own) == 16
    assert not {one[name] for name in own} & {other[name] for name in own}


def test_haproxys_socket_path_is_short_enough_whatever_the_data_folder_is_called(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / ("a long name " * 10))

    socket = Path(ray_environment(settings, MarketPorts(20_000))["RAY_SERVE_HAPROXY_SOCKET_PATH"])

    assert len(str(socket.parent / ("0" * 56) / socket.name)) <= 97


def test_several_keys_are_a_ring_of_which_each_is_long_enough() -> None:
    keys = Settings(jwt_key=SecretStr(f"{'a' * 32}, {'b' * 32}")).session_keys
    assert [key.get_secret_value() for key in keys] == ["a" * 32, "b" * 32]
    with pytest.raises(ValidationError):
        Settings(jwt_key=SecretStr(f"{'a' * 32},short"))


@pytest.mark.parametrize(
    ("name", "value"),
    [("smtp_url", "http://mail.example"), ("mail_from", "nobody"), ("mail_from", "a@example.com\nBcc: b@example.com")],
)
def test_mail_settings_have_to_be_addresses(name: str, value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({name: value})
    assert value not in str(refused.value)


@pytest.mark.parametrize("value", ["safety@example.com", "http://example.com", "mailto:a@example.com\nContact: b"])
def test_security_contact_has_to_be_an_address_that_readers_can_use(value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(security_contact=value)
    assert value not in str(refused.value)


def test_the_marketplace_serves_nobody_else_unless_told() -> None:
    assert Settings().http_hosts == ("127.0.0.1", "::1")


@pytest.mark.parametrize(("value", "hosts"), [("0.0.0.0, ::", ("0.0.0.0", "::")), ("192.0.2.1", ("192.0.2.1",))])  # noqa: S104
def test_http_host_is_a_list_of_addresses(value: str, hosts: tuple[str, ...]) -> None:
    assert Settings(http_host=value).http_hosts == hosts


def test_http_host_is_no_name_and_no_port(lines_for: Complaints) -> None:
    (line,) = lines_for(HTTP_HOST="localhost")

    assert line.startswith("HTTP_HOST must be IP addresses of this machine")


def test_ports_are_reserved_for_one_market_and_free_again_when_it_ends() -> None:
    with ports.reserve() as one, ports.reserve() as other:
        assert one.base != other.base
    with ports.reserve() as again:
        assert again.base == one.base


def test_reserving_ports_touches_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of reservations was in the temporary folder, where another user could make it first, full of links."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ports.reserve():
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("hosts", "url"),
    [("127.0.0.1,::1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80")],  # noqa: S104
)
def test_programs_on_the_machine_reach_the_marketplace_where_it_listens(hosts: str, url: str) -> None:
    assert Settings(http_host=hosts, http_port=80).local_url == url


def test_market_of_a_real_account_says_at_start_which_keys_it_misses() -> None:
    missing = {"STRIPE_WEBHOOK_SECRET", "STRIPE_PUBLISHABLE_KEY"}
    assert _warned_of(Settings(stripe_key=SecretStr("sk_live_x"))) == missing
    one = Settings(stripe_key=SecretStr("sk_live_x"), stripe_publishable_key="pk_live_x")
    assert _warned_of(one) == {"STRIPE_WEBHOOK_SECRET"}
    assert not _warned_of(Settings()), "the sandbox needs neither"


def _warned_of(settings: Settings) -> set[str]:
    with structlog.testing.capture_logs() as logged:
        warn_of_missing_keys(settings)
    assert all(line["log_level"] == "warning" for line in logged)
    return {line["setting"] for line in logged}


@pytest.mark.parametrize("secret", ["sk_live_0123456789", "rk_live_0123456789"])
def test_secret_key_is_refused_where_pages_would_show_it(secret: str, lines_for: Complaints) -> None:
    (line,) = lines_for(STRIPE_PUBLISHABLE_KEY=secret)
    assert line.startswith("STRIPE_PUBLISHABLE_KEY must be the publishable key (pk_...)")
    assert secret not in line


def test_the_file_that_is_named_is_read_at_each_load_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "holdfast.env"
    file.write_text("TICKET_ACTORS=2\nORDER_ACTORS=2\nMAIL_FROM=Holdfast <tickets@example.com>\n")
    monkeypatch.setenv("HOLDFAST_SETTINGS", str(file))
    monkeypatch.setenv("ORDER_ACTORS", "5")
    assert (load().ticket_actors, load().order_actors, load().mail_from) == (2, 5, "Holdfast <tickets@example.com>")

    file.write_text("TICKET_ACTORS=3\n")
    assert load().ticket_actors == 3


def test_a_file_that_is_named_and_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_SETTINGS", str(tmp_path / "none.env"))

    with pytest.raises(SettingsError, match="HOLDFAST_SETTINGS names a file that cannot be read"):
        load()


def test_collector_of_spans_is_refused_where_nothing_can_send_them(
    lines_for: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    for name, value in collector.items():
        monkeypatch.setenv(name, value)
    assert load().otel_exporter_otlp_endpoint == "http://collector:4318"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (line,) = lines_for(**collector)
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in line
    assert "pip install 'holdfast[tracing]'" in line
