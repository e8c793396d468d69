"""A session as a signed token: what it says, and the keys that sign it and once signed it."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jwt
from jwt.types import Options

from actors.domain.ids import is_id
from actors.domain.instants import Instant

_NAME = "holdfast"
_TYPE = "session"
_ALGORITHM = "HS256"
_CLAIMS = ["sub", "sid", "iat", "nbf", "exp", "iss", "aud", "jti", "typ"]
# The clock is ours, so the times are checked here and not by the library.
_OPTIONS: Options = {"require": _CLAIMS, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
LONGEST = 4_096
# As much as the clocks of two replicas may differ.
_LEEWAY_MS = 60_000
# Verifying a signature takes 30 µs, looking it up less than one. 300 bytes each.
_REMEMBERED = 8_192


class NoTokenError(Exception):
    """Nobody of ours made this, or not for this."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. What the token says of them holds until `expires_at`, milliseconds as all instants."""

    user_id: str
    id: str
    issued_at: Instant
    expires_at: Instant
    verified: bool = False

    @property
    def renewable_from(self) -> Instant:
        """When half of the time is over."""
        return (self.issued_at + self.expires_at) // 2


class Tokens:
    """Makes and reads tokens. The first key signs; all of them, known by their digests, are believed."""

    def __init__(self, keys: Sequence[str], clock: Callable[[], Instant]) -> None:
        self._ring = {_kid(key): key for key in keys}
        self._first = _kid(keys[0])
        self._clock = clock
        self._verified = lru_cache(_REMEMBERED)(self._verify)

    def sign(self, session: Session) -> str:
        """Return the token of the session."""
        claims = {
            "sub": session.user_id,
            "sid": session.id,
            "iat": session.issued_at // 1_000,
            "nbf": session.issued_at // 1_000,
            "exp": session.expires_at // 1_000,
            "iss": _NAME,
            "aud": _NAME,
            "jti": secrets.token_hex(16),
            "typ": _TYPE,
            "email_verified": session.verified,
        }
        return jwt.encode(claims, self._ring[self._first], _ALGORITHM, headers={"kid": self._first})

    def read(self, token: str) -> Session:
        """Return the session of the token, also when its time is over. Raises NoTokenError."""
        if not 0 < len(token) <= LONGEST:
            raise NoTokenError
        try:
            session = self._verified(token)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError, RecursionError):
            raise NoTokenError from None
        if session.issued_at > self._clock() + _LEEWAY_MS:
            raise NoTokenError
        return session

    def _verify(self, token: str) -> Session:
        key = self._ring[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, [_ALGORITHM], options=_OPTIONS, audience=_NAME, issuer=_NAME)
        user_id, session_id = claims["sub"], claims["sid"]
        if claims["typ"] != _TYPE or not is_id(user_id) or not isinstance(session_id, str):
            raise ValueError("is no session")
        begins = max(int(claims["iat"]), int(claims["nbf"])) * 1_000
        return Session(user_id, session_id, begins, int(claims["exp"]) * 1_000, claims.get("email_verified") is True)


def _kid(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
