"""What can be known to fail before anything is started, told in one line with what to do."""

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from config import ports, redis_server
from config.settings import Settings

_DATABASE_MS = 10_000
# Not every machine has IPv6; the default of HTTP_HOST serves it where it is there.
_IPV6_LOOPBACK = "::1"


class StartError(Exception):
    """The market could not start; the message says what to do."""


def checked(settings: Settings) -> Settings:
    """Return the settings with the addresses that this machine has, of those at which the marketplace may listen.

    Raises StartError when there is none, a port is taken, no database answers at MONGODB_URL within 10 s, or the Redis
    of REDIS_URL is none that the market can use.
    """
    hosts = listening_addresses(settings)
    if settings.mongodb_url is not None:
        refuse_silent_database(settings.mongodb_url)
    if settings.redis_url is not None:
        _refuse_unsuitable_redis(settings.redis_url)
    return settings.model_copy(update={"http_host": ",".join(hosts)})


def listening_addresses(settings: Settings) -> list[str]:
    """Return where the marketplace can listen. Raises StartError when that is nowhere, or a port is taken."""
    hosts = [host for host in settings.http_hosts if ports.has_address(host)]
    if missing := sorted(set(settings.http_hosts) - set(hosts) - {_IPV6_LOOPBACK}):
        raise StartError(f"this machine has no address {', '.join(missing)}: set HTTP_HOST to addresses that it has")
    for host in hosts:
        _refuse_taken("HTTP_PORT", host, settings.http_port)
    if settings.dashboard_port:
        _refuse_taken("DASHBOARD_PORT", "127.0.0.1", settings.dashboard_port)
    return hosts


def refuse_silent_database(url: str) -> None:
    """Raise StartError when no database answers there within 10 s, or refuses us."""
    try:
        with pymongo.MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=_DATABASE_MS) as client:
            client.admin.command("ping")
    except OperationFailure as error:
        raise StartError(
            f"the database at MONGODB_URL refuses us (code {error.code}): correct its name or password"
        ) from None
    except (PyMongoError, ValueError, OSError) as error:
        kind = type(error).__name__
        raise StartError(f"no database answers at MONGODB_URL ({kind}): start it, or correct the address") from None


def _refuse_unsuitable_redis(url: str) -> None:
    try:
        redis_server.check(url)
    except redis_server.UnsuitableRedisError as error:
        raise StartError(str(error)) from None


def _refuse_taken(name: str, host: str, port: int) -> None:
    try:
        ports.listen_for_a_moment(host, port)
    except PermissionError:
        raise StartError(f"port {port} needs rights that this user has not: set {name} to one above 1023") from None
    except OSError:
        raise StartError(f"port {port} is taken by another program: stop it, or set {name} to another port") from None
