"""Sessions live in the database; a short-lived signed token in a cookie that scripts cannot read stands for them.

Requests are checked in memory: a signature, a time, and the sessions that were ended within the life of a token. Once
in half of that life the database is asked whether there still is such a session, and the cookie gets a new token.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog
from pymongo.errors import PyMongoError
from starlette.requests import HTTPConnection
from starlette.responses import Response

from actors.domain.instants import Instant
from actors.runtime.bounded_dict import BoundedDict
from actors.storage.sessions import SessionRecord, SessionRecords
from actors.storage.users import User, Users
from serve_app.accounts.revocations import Revocations
from serve_app.accounts.tokens import NoTokenError, Session, Tokens
from serve_app.http.errors import DatabaseConnectionError, NotAuthorizedError
from serve_app.security.cookies import cookie_name, earlier_cookie_name

_log = structlog.get_logger()
_SCOPE = "holdfast.session"
_COOKIE = "session"
_CLEANING_SECONDS = 600.0
_REMEMBERED = 8_192
# A user who signs in more often without signing out loses the session that was not used for the longest time.
MOST_SESSIONS = 50


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """In milliseconds: of a token, of a session that nobody uses, and of any session."""

    token: int
    idle: int
    absolute: int


class _Unknown(Enum):
    """The token is over and the database, which knows whether the session is, does not answer."""

    UNKNOWN = "unknown"


class Sessions:
    """Begins, authenticates, renews and ends sessions."""

    def __init__(  # noqa: PLR0913 - what a session depends on
        self,
        tokens: Tokens,
        records: SessionRecords,
        users: Users,
        *,
        revocations: Revocations,
        lifetimes: Lifetimes,
        clock: Callable[[], Instant],
        public_url: str,
    ) -> None:
        self._tokens = tokens
        self._records = records
        self._users = users
        self._revocations = revocations
        self._lifetimes = lifetimes
        self._clock = clock
        self._secure = public_url.startswith("https://")
        self.cookie = cookie_name(_COOKIE, public_url)
        self._read = dict.fromkeys((self.cookie, earlier_cookie_name(_COOKIE, public_url)))
        self._renewals: BoundedDict[str, tuple[Session, Instant]] = BoundedDict(_REMEMBERED)

    async def begin(self, response: Response, user: User, earlier: Session | None = None) -> Session:
        """Sign in the user whose password was just verified: put a new session into the response.

        It takes the place of the earlier one of the same browser.

        Raises NotAuthorizedError when meanwhile the password was changed, or the user banned or gone: each of these
        ends all sessions afterwards, and finds this one unless it finds them. Raises pymongo's ConnectionFailure.
        """
        now = self._clock()
        record = SessionRecord(secrets.token_hex(16), user.id, now, now, self._ends_at(now, now))
        await self._records.add(record)
        present = await self._users.by_id(user.id)
        if present is None or present.banned_at is not None or present.password_hash != user.password_hash:
            await self._records.remove([record.id])
            raise NotAuthorizedError
        if earlier is not None:
            await self._end([earlier.id])
        await self._end_the_oldest(user.id, record.id)
        session = self._session(record, present, now)
        self._put(response, session, record.ends_at)
        return session

    def current(self, request: HTTPConnection) -> Session | None:
        """Return the session of the request, None if there is none that holds. Waits for nothing.

        Raises DatabaseConnectionError when that is not known.
        """
        found: Session | _Unknown | None = request.scope.get(_SCOPE)
        if isinstance(found, _Unknown):
            raise DatabaseConnectionError
        return found

    def note(self, request: HTTPConnection, session: Session | None) -> None:
        """Note whose request it is without a cookie, for `current`."""
        request.scope[_SCOPE] = session

    async def exists(self, session: Session) -> bool:
        """Whether the session has not ended, as the database knows it. Raises pymongo's ConnectionFailure."""
        return await self._records.by_id(session.id) is not None

    def is_ended(self, session: Session) -> bool:
        """Whether the session was ended, here or elsewhere, since its request came."""
        return session.id in self._revocations

    def require(self, request: HTTPConnection) -> Session:
        """Return the session of the request. Raises NotAuthorizedError if there is none that holds."""
        session = self.current(request)
        if session is None:
            raise NotAuthorizedError
        return session

    async def authenticate(self, request: HTTPConnection) -> Response | None:
        """Note in the request whose it is, for `current`; return what carries the new token if it was renewed.

        Waits for the database once in half the life of a token. When that does not answer, a token is good until
        it is over, and then nobody is taken for signed in or out.
        """
        session = self._of_cookie(request)
        if session is None:
            return None
        request.scope[_SCOPE] = session
        now = self._clock()
        if now < session.renewable_from:
            return None
        try:
            renewed = self._renewed_before(session, now) or await self._renewed(session, now)
        except PyMongoError:
            _log.warning("session_not_renewed")
            if now >= session.expires_at:
                request.scope[_SCOPE] = _Unknown.UNKNOWN
            return None
        if renewed is None:
            request.scope[_SCOPE] = None
            return None
        request.scope[_SCOPE], ends_at = renewed
        self._renewals[session.id] = renewed
        response = Response()
        self._put(response, renewed[0], ends_at)
        return response

    async def sign_out(self, session: Session | None, response: Response) -> None:
        """End the session, if there is one, and have the browser forget. Raises pymongo's ConnectionFailure."""
        if session is not None:
            await self._end([session.id])
        self._set_cookie(response, "", 0)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'

    async def of_user(self, user_id: str) -> list[SessionRecord]:
        """Return the user's sessions, the last seen first. Raises pymongo's ConnectionFailure."""
        now = self._clock()
        return [record for record in await self._records.of_user(user_id) if record.ends_at > now]

    async def end(self, user_id: str, session_id: str) -> bool:
        """End one session of the user; False when they have no such session. Raises pymongo's ConnectionFailure."""
        if not any(record.id == session_id for record in await self._records.of_user(user_id)):
            return False
        await self._end([session_id])
        return True

    async def end_all(self, user_id: str) -> None:
        """End every session of the user, on all replicas. Raises pymongo's ConnectionFailure.

        To be called after what makes `begin` refuse is stored.
        """
        await self._end([record.id for record in await self._records.of_user(user_id)])

    async def purge_expired(self) -> None:
        """Clean up, every ten minutes, until cancelled."""
        while True:
            try:
                await self._records.drop_ended(self._clock())
            except PyMongoError:
                _log.warning("ended_sessions_wait_for_the_database")
            await asyncio.sleep(_CLEANING_SECONDS)

    async def _end(self, session_ids: list[str]) -> None:
        await self._records.remove(session_ids)
        # A token that was signed in this instant lives as long as a token does.
        until = self._clock() + self._lifetimes.token
        for session_id in session_ids:
            await self._revocations.revoke(session_id, until)

    async def _end_the_oldest(self, user_id: str, begun: str) -> None:
        """End what is too many beside the session that was just begun, also when all are of the same instant."""
        others = [record for record in await self._records.of_user(user_id) if record.id != begun]
        if len(others) >= MOST_SESSIONS:
            await self._end([record.id for record in others[MOST_SESSIONS - 1 :]])

    def _renewed_before(self, session: Session, now: Instant) -> tuple[Session, Instant] | None:
        """Return what the database said of this session a moment ago, to a request with the same old token.

        Programs that keep no cookies would otherwise have it asked with every request.
        """
        known = self._renewals.get(session.id)
        if known is None or known[0].user_id != session.user_id or now >= known[0].renewable_from:
            return None
        return known

    async def _renewed(self, session: Session, now: Instant) -> tuple[Session, Instant] | None:
        record = await self._records.by_id(session.id)
        if record is None or record.user_id != session.user_id or record.ends_at <= now:
            return None
        user = await self._users.by_id(record.user_id)
        ends_at = self._ends_at(record.created_at, now)
        # Last: what ended the session meanwhile is not undone.
        if user is None or user.banned_at is not None or not await self._records.touch(record.id, now, ends_at):
            return None
        return self._session(record, user, now), ends_at

    def _session(self, record: SessionRecord, user: User, now: Instant) -> Session:
        expires_at = min(now + self._lifetimes.token, record.created_at + self._lifetimes.absolute)
        return Session(user.id, record.id, now, expires_at, user.verified_at is not None)

    def _of_cookie(self, request: HTTPConnection) -> Session | None:
        for name in self._read:
            try:
                session = self._tokens.read(request.cookies.get(name, ""))
            except NoTokenError:
                continue
            if session.id not in self._revocations:
                return session
        return None

    def _ends_at(self, created_at: Instant, now: Instant) -> Instant:
        return min(now + self._lifetimes.idle, created_at + self._lifetimes.absolute)

    def _put(self, response: Response, session: Session, ends_at: Instant) -> None:
        self._set_cookie(response, self._tokens.sign(session), (ends_at - session.issued_at) // 1_000)

    def _set_cookie(self, response: Response, token: str, seconds: int) -> None:
        response.set_cookie(
            self.cookie, token, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
