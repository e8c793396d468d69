"""Sessions are signed tokens in a cookie that scripts cannot read, so that server-rendered pages work."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import jwt
from jwt.types import Options
from starlette.requests import Request
from starlette.responses import Response

from actors.domain.ids import is_id
from actors.domain.messages import Instant
from serve_app.errors import NotAuthorizedError
from serve_app.security.revocations import Revocations

LIFETIME_MS = 7 * 24 * 3_600_000
_NAME = "holdfast"
_TYPE = "session"
_CLAIMS = ["sub", "sid", "iat", "nbf", "exp", "iss", "aud", "jti", "typ"]
# The clock is ours, so the times are checked here and not by the library.
_OPTIONS: Options = {"require": _CLAIMS, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
_LONGEST_COOKIE = 4_096
# Verifying a signature takes 30 µs, looking it up less than one. 300 bytes each.
_REMEMBERED = 8_192


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in, until `expires_at`."""

    user_id: str
    id: str
    expires_at: Instant


class Sessions:
    """Begins, recognises and ends sessions."""

    def __init__(self, key: str, *, secure: bool, revocations: Revocations, clock: Callable[[], Instant]) -> None:
        self._key = key
        self._secure = secure
        self._revocations = revocations
        self._clock = clock
        self._verified = lru_cache(_REMEMBERED)(self._verify)

    @property
    def cookie(self) -> str:
        """The cookie's name. With https the prefix makes browsers refuse it from subdomains and plain http."""
        return "__Host-session" if self._secure else "session"

    def begin(self, response: Response, user_id: str) -> None:
        """Sign the user in: put a new session into the response."""
        now = self._clock() // 1_000
        claims = {
            "sub": user_id,
            "sid": secrets.token_hex(16),
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_MS // 1_000,
            "iss": _NAME,
            "aud": _NAME,
            "jti": secrets.token_hex(16),
            "typ": _TYPE,
        }
        token = jwt.encode(claims, self._key, "HS256")
        self._set_cookie(response, token, LIFETIME_MS // 1_000)

    def current(self, request: Request) -> Session | None:
        """Return the session of the request, None if there is none that holds. Waits for nothing."""
        token = request.cookies.get(self.cookie, "")
        if not 0 < len(token) <= _LONGEST_COOKIE:
            return None
        try:
            session = self._verified(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return session if session.expires_at > self._clock() and session.id not in self._revocations else None

    def require(self, request: Request) -> Session:
        """Return the session of the request. Raises NotAuthorizedError if there is none that holds."""
        session = self.current(request)
        if session is None:
            raise NotAuthorizedError
        return session

    async def end(self, request: Request, response: Response) -> None:
        """Sign out: revoke the session for good and clear the cookie. Raises pymongo's ConnectionFailure."""
        session = self.current(request)
        if session is not None:
            await self._revocations.revoke(session.id, session.expires_at)
        self._set_cookie(response, "", 0)

    def _set_cookie(self, response: Response, token: str, seconds: int) -> None:
        response.set_cookie(
            self.cookie, token, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _verify(self, token: str) -> Session:
        claims = jwt.decode(token, self._key, ["HS256"], options=_OPTIONS, audience=_NAME, issuer=_NAME)
        user_id, session_id = claims["sub"], claims["sid"]
        is_session = claims["typ"] == _TYPE and is_id(user_id) and isinstance(session_id, str)
        if not is_session or int(claims["nbf"]) * 1_000 > self._clock():
            raise ValueError("is no session")
        return Session(user_id, session_id, int(claims["exp"]) * 1_000)
