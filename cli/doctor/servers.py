"""What the servers of a market are like: MongoDB, Redis, Stripe."""

import asyncio
import time
from collections.abc import Iterator

import redis
from pymongo.errors import PyMongoError

from actors.runtime.ports import StoreUnavailableError
from actors.storage.clock import database_clock
from actors.storage.database import connect, database_of, has_replicas
from actors.storage.server import server_of
from actors.stripe import client as stripe_client
from actors.stripe.errors import AuthenticationFailed, StripeFailure
from cli.doctor.finding import Finding, Verdict
from cli.up.start_checks import StartError, refuse_silent_database
from config import redis_server
from config.settings import Settings

# Logs and sessions go by this machine's clock, holds by the database's.
CLOCKS_APART_SECONDS = 2.0
_SECONDS = 5.0


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield what was found about the servers. Those that `holdfast up` brings along are looked at while it runs."""
    if settings.mongodb_url is None:
        yield Finding("database", Verdict.OK, "`holdfast up` brings one along, for trying out")
    else:
        yield from database(settings.mongodb_url, is_for_money=settings.holdfast_env == "production")
    if settings.redis_url is None:
        yield Finding("redis", Verdict.OK, "`holdfast up` brings one along, for trying out")
    else:
        yield from redis_findings(settings.redis_url)
    yield asyncio.run(stripe(settings))


def database(url: str, *, is_for_money: bool) -> Iterator[Finding]:
    """Yield what was found about a MongoDB. `is_for_money` in production."""
    try:
        refuse_silent_database(url)
        yield from asyncio.run(_database(url, is_for_money=is_for_money))
    except StartError as error:
        yield Finding("database", Verdict.PROBLEM, str(error))
    except (PyMongoError, StoreUnavailableError) as error:
        text = f"the database at MONGODB_URL does not tell what it is ({type(error).__name__}): look at its log"
        yield Finding("database", Verdict.PROBLEM, text)


async def _database(url: str, *, is_for_money: bool) -> list[Finding]:
    client = connect(url)
    try:
        is_embedded = (await server_of(database_of(client))).is_embedded
        clock = database_clock(database_of(client))
        await clock.refresh()
        return [
            _kind(is_embedded=is_embedded, is_set=has_replicas(client), is_for_money=is_for_money),
            _clock(clock.now()),
        ]
    finally:
        await client.close()


def _kind(*, is_embedded: bool, is_set: bool, is_for_money: bool) -> Finding:
    wrong = Verdict.PROBLEM if is_for_money else Verdict.WARNING
    if is_embedded:
        text = "it is the embedded kind, a beta for trying out: for money set MONGODB_URL to a MongoDB replica set"
        return Finding("database", wrong if is_for_money else Verdict.OK, text)
    if not is_set:
        text = "it is a single server, whose loss is the market's: make it a replica set of three"
        return Finding("database", wrong, text)
    return Finding("database", Verdict.OK, "a replica set that answers")


def _clock(now_ms: int) -> Finding:
    apart = time.time() - now_ms / 1_000
    if abs(apart) > CLOCKS_APART_SECONDS:
        text = f"this machine's clock is {apart:+.1f} s from the database's: let NTP keep both"
        return Finding("clock", Verdict.WARNING, text)
    return Finding("clock", Verdict.OK, "this machine and the database agree")


def redis_findings(url: str) -> Iterator[Finding]:
    """Yield what was found about a Redis."""
    try:
        with redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            faults = redis_server.faults(client.info())
    except (redis.RedisError, OSError) as error:
        text = f"no Redis answers at REDIS_URL ({type(error).__name__}): start it, or correct the address"
        yield Finding("redis", Verdict.PROBLEM, text)
    except redis_server.UnsuitableRedisError as error:
        yield Finding("redis", Verdict.PROBLEM, str(error))
    else:
        for fault in faults:
            yield Finding("redis", Verdict.WARNING, fault)
        if not faults:
            yield Finding("redis", Verdict.OK, "answers, and keeps what it is given")


async def stripe(settings: Settings) -> Finding:
    """Judge the key of Stripe by one request that changes nothing."""
    if settings.stripe_key is None:
        return Finding("stripe", Verdict.OK, "the sandbox: money is imaginary")
    client = stripe_client.connect(api_key=settings.stripe_key.get_secret_value(), api_base=settings.stripe_api_base)
    try:
        await anext(client.intents(created_since=int(time.time())), None)
    except AuthenticationFailed:
        text = "Stripe refuses STRIPE_KEY: set it to the secret key of your account"
        return Finding("stripe", Verdict.PROBLEM, text)
    except StripeFailure as error:
        return Finding("stripe", Verdict.WARNING, f"Stripe did not answer as it should: {error}. Try again later")
    finally:
        await client.aclose()
    return Finding("stripe", Verdict.OK, "takes STRIPE_KEY")
