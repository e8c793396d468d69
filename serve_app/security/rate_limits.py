"""How often somebody may try: counted in Redis for all replicas, in memory while Redis is away.

What is done very often is counted in the memory of each replica: a question to Redis would cost more than the work.
"""

import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from actors.domain.ids import fingerprint
from serve_app.http.errors import NotAuthorizedError, TooManyRequestsError
from serve_app.security.leaky_buckets import LeakyBuckets, Rate

_log = structlog.get_logger()
_SIGNINS_PER_ACCOUNT = RateLimitItemPerMinute(10, 5, namespace="signin-account")
_SIGNINS_PER_ADDRESS = RateLimitItemPerMinute(60, 5, namespace="signin-address")
# Half of what one thread can verify. All of them at once are an attack, and buying goes on meanwhile.
_SIGNINS_OF_ALL = RateLimitItemPerMinute(6_000, 5, namespace="signin-all")
_SIGNUPS_PER_ADDRESS = RateLimitItemPerHour(600, 1, namespace="signup-address")
# Nobody's inbox is filled with our mail.
_MAILS_PER_ACCOUNT = RateLimitItemPerHour(5, 1, namespace="mails-account")
_MAILS_PER_ADDRESS = RateLimitItemPerHour(60, 1, namespace="mails-address")
# Who tries cards that others lost meets mostly refusals; Stripe punishes the market for them.
_REFUSED_PAYMENTS_PER_ACCOUNT = RateLimitItemPerHour(10, 1, namespace="refused-payments-account")
_REFUSED_PAYMENTS_PER_ADDRESS = RateLimitItemPerHour(200, 1, namespace="refused-payments-address")
_TOKENS_PER_ADDRESS = RateLimitItemPerHour(120, 1, namespace="tokens-address")
_INVALID_TOKENS_PER_ADDRESS = RateLimitItemPerMinute(60, 5, namespace="invalid-tokens-address")
_REDIS_SECONDS = 0.5
# Of a user, and of an address, behind which a whole stadium may be. Each replica counts what it gets itself.
# What is listed costs the one actor of its ticket some milliseconds, which buyers wait for meanwhile.
_CHANGES = (Rate(1_200, 3_600, at_once=100), Rate(12_000, 3_600, at_once=1_000))
_HOLDS = (Rate(300, 300), Rate(6_000, 60))
_PAYMENTS = (Rate(60, 300), Rate(1_200, 60))
_EXPORTS = (Rate(10, 3_600), Rate(60, 3_600))
# A stream lives for most of a minute, and may have a whole backlog read for it.
_STREAMS = (Rate(60, 60), Rate(600, 60))
# Somebody reads each of them.
_REPORTS = (Rate(20, 3_600), Rate(200, 3_600))


class _Frequent:
    """What a user and what an address may do, counted by this replica."""

    def __init__(self, of_user: Rate, of_address: Rate) -> None:
        self._of_user = LeakyBuckets(of_user)
        self._of_address = LeakyBuckets(of_address)

    def take(self, user_id: str, address: str, now: float) -> int:
        """Count it and return 0, or return the seconds to wait: what one limit refuses does not use up the other."""
        seconds = max(self._of_user.wait(user_id, now), self._of_address.wait(address, now))
        if not seconds:
            self._of_user.add(user_id, now)
            self._of_address.add(address, now)
        return seconds


class RateLimits:
    """The limits of section 4 of the design. `enabled=False` lifts them, for load tests."""

    def __init__(self, redis_url: str, *, enabled: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._enabled = enabled
        self._now = now
        self._changes = _Frequent(*_CHANGES)
        self._holds = _Frequent(*_HOLDS)
        self._payments = _Frequent(*_PAYMENTS)
        self._exports = _Frequent(*_EXPORTS)
        self._reports = _Frequent(*_REPORTS)
        self._streams = _Frequent(*_STREAMS)
        self._connections = ConnectionPool.from_url(
            redis_url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS
        )
        storage = RedisStorage(
            f"async+{redis_url}",
            implementation="redispy",
            key_prefix="holdfast:limits",
            # Documented, but missing in the type hint.
            connection_pool=self._connections,  # type: ignore[arg-type]
        )
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._connections.aclose()

    @asynccontextmanager
    async def signin(self, email_key: str, address: str) -> AsyncIterator[None]:
        """Count a sign-in that fails with NotAuthorizedError inside this context.

        It is counted before and given back if it did not fail, so that attempts in parallel are limited as well.
        Raises TooManyRequestsError with the seconds to wait.
        """
        limits = [
            (_SIGNINS_PER_ACCOUNT, fingerprint(email_key)),
            (_SIGNINS_PER_ADDRESS, address),
            (_SIGNINS_OF_ALL, "all"),
        ]
        taken: list[tuple[RateLimitItem, str]] = []
        try:
            for limit, who in limits:
                await self._take(limit, who)
                taken.append((limit, who))
        except TooManyRequestsError:
            # What one limit refuses does not use up the others: nobody locks out everybody by asking on.
            await self._give_back(taken)
            raise
        failed = False
        try:
            yield
        except NotAuthorizedError:
            failed = True
            raise
        finally:
            if not failed:
                await self._give_back(limits)

    async def signup(self, address: str) -> None:
        """Count a sign-up. Raises TooManyRequestsError with the seconds to wait."""
        await self._take(_SIGNUPS_PER_ADDRESS, address)

    async def mail(self, email_key: str, address: str) -> None:
        """Count a mail that somebody asks for. Raises TooManyRequestsError with the seconds to wait."""
        await self._take(_MAILS_PER_ADDRESS, address)
        await self._take(_MAILS_PER_ACCOUNT, _mailbox(email_key))

    async def signup_mail(self, email_key: str) -> bool:
        """Count the mail of a sign-up, which the limit of sign-ups lets through; False when it must not be sent.

        It counts for the mailbox, whose accounts may come and go.
        """
        return await self._count(_MAILS_PER_ACCOUNT, _mailbox(email_key)) is None

    async def token(self, address: str) -> None:
        """Count a token from a mail that somebody tries. Raises TooManyRequestsError with the seconds to wait."""
        await self._take(_TOKENS_PER_ADDRESS, address)

    async def invalid_token(self, address: str) -> None:
        """Count an access token that does not hold. Raises TooManyRequestsError with the seconds to wait.

        Those that hold are not refused beside it: 256 bits are not guessed, and one program of an address that goes on
        with an old token would stop all others there.
        """
        await self._take(_INVALID_TOKENS_PER_ADDRESS, address)

    def change(self, user_id: str, address: str) -> None:
        """Count a ticket that is listed, edited or withdrawn. Raises TooManyRequestsError with the seconds to wait."""
        self._take_here(self._changes, user_id, address)

    def hold(self, user_id: str, address: str) -> None:
        """Count a reservation that somebody asks for. Raises TooManyRequestsError with the seconds to wait."""
        self._take_here(self._holds, user_id, address)

    def export(self, user_id: str, address: str) -> None:
        """Count a copy of all that is kept of a person. Raises TooManyRequestsError with the seconds to wait."""
        self._take_here(self._exports, user_id, address)

    def report(self, user_id: str, address: str) -> None:
        """Count a listing that is reported. Raises TooManyRequestsError with the seconds to wait."""
        self._take_here(self._reports, user_id, address)

    def stream(self, user_id: str, address: str) -> None:
        """Count a stream of events that is opened. Raises TooManyRequestsError with the seconds to wait."""
        self._take_here(self._streams, user_id, address)

    async def pay(self, user_id: str, address: str) -> None:
        """Count a payment, whatever comes of it. Raises TooManyRequestsError with the seconds to wait.

        It is raised as well after too many that were refused: payments under way at that moment still count.
        """
        self._take_here(self._payments, user_id, address)
        for limit, who in _refused_payments(user_id, address):
            seconds = await self._count(limit, who, cost=0)
            if seconds is not None:
                raise _too_many(seconds)

    async def payment_refused(self, user_id: str, address: str, how_many: int = 1) -> None:
        """Count cards that were declined or given up, and payment methods that do not exist."""
        for limit, who in _refused_payments(user_id, address):
            await self._count(limit, who, how_many)

    def _take_here(self, frequent: _Frequent, user_id: str, address: str) -> None:
        if self._enabled and (seconds := frequent.take(user_id, address, self._now())):
            raise _too_many(seconds)

    async def _give_back(self, taken: Sequence[tuple[RateLimitItem, str]]) -> None:
        for limit, who in taken:
            await self._count(limit, who, cost=-1)

    async def _take(self, limit: RateLimitItem, who: str) -> None:
        seconds = await self._count(limit, who)
        if seconds is not None:
            raise _too_many(seconds)

    async def _count(self, limit: RateLimitItem, who: str, cost: int = 1) -> int | None:
        if not self._enabled:
            return None
        try:
            return await _hit(self._shared, limit, who, cost)
        except (RedisError, OSError, TimeoutError):
            _log.warning("limits_counted_in_memory")
            return await _hit(self._own, limit, who, cost)


def _too_many(seconds: int) -> TooManyRequestsError:
    return TooManyRequestsError("Too many attempts. Wait a little before the next one.", retry_after_seconds=seconds)


def _mailbox(email_key: str) -> str:
    """Return whose inbox it is: what stands behind a plus goes into the same one, with most providers."""
    local_part, _, domain = email_key.rpartition("@")
    return fingerprint(local_part.partition("+")[0], domain)


def _refused_payments(user_id: str, address: str) -> list[tuple[RateLimitItem, str]]:
    return [(_REFUSED_PAYMENTS_PER_ACCOUNT, user_id), (_REFUSED_PAYMENTS_PER_ADDRESS, address)]


async def _hit(counter: FixedWindowRateLimiter, limit: RateLimitItem, who: str, cost: int) -> int | None:
    """Return None when the hit is within the limit, else the seconds until the window ends.

    At no cost it is only asked whether one more would be.
    """
    if await (counter.hit(limit, who, cost=cost) if cost else counter.test(limit, who)):
        return None
    window = await counter.get_window_stats(limit, who)
    return max(1, math.ceil(window.reset_time - time.time()))
