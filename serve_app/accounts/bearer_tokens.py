"""Personal access tokens live in the database; programs send their texts (`Authorization: Bearer`, RFC 6750).

A text is `hfp_`, the token's id and its secret, so that scanners of repositories know it. Of the secret only the
SHA-256 is stored: 256 random bits cannot be guessed, also not from a digest that is quick to compute.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from pymongo.errors import PyMongoError

from actors.domain.instants import Instant
from actors.runtime.bounded_dict import BoundedDict
from actors.storage.access_tokens import AccessScope, AccessToken, AccessTokenRecords
from actors.storage.users import Users
from serve_app.accounts.revocations import Revocations
from serve_app.accounts.tokens import Session
from serve_app.schemas.tokens import TokenBody

logger = structlog.get_logger(__name__)
_TEXT = re.compile(r"hfp_([0-9a-f]{24})_([A-Za-z0-9_-]{43})")
# A replica asks the database again after so long. It hears of revocations at once (see `revocations.py`).
CHECKED_MS = 5_000
# Longer than a slow read of the database and what it found are believed.
_REVOKED_MS = 60_000
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_CLEANING_SECONDS = 600.0
_REMEMBERED = 8_192
MOST_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token that holds is good for: it stands for a session of its user, where these scopes are enough."""

    session: Session
    scopes: frozenset[AccessScope]


@dataclass(frozen=True, slots=True)
class _Checked:
    """What the database said of a token, believed until an instant."""

    digest: str
    grant: Grant
    until: Instant


def make_token(token_id: str, user_id: str, body: TokenBody, now: Instant) -> tuple[AccessToken, str]:
    """Return a new token and its text, which nothing but the answer ever holds."""
    secret = secrets.token_urlsafe(32)
    expires_at = now + body.expires_in_days * _DAY_MS
    token = AccessToken(token_id, user_id, body.name, tuple(body.scopes), _digest(secret), now, expires_at)
    return token, f"hfp_{token_id}_{secret}"


class AccessTokens:
    """Keeps, checks and revokes tokens. All methods raise pymongo's ConnectionFailure but for what is remembered."""

    def __init__(
        self, records: AccessTokenRecords, users: Users, revocations: Revocations, clock: Callable[[], Instant]
    ) -> None:
        self._records = records
        self._users = users
        self._revocations = revocations
        self._clock = clock
        self._checked: BoundedDict[str, _Checked] = BoundedDict(_REMEMBERED)

    async def add(self, token: AccessToken) -> bool:
        """Store a new token durably; False when its id is in use."""
        return await self._records.add(token)

    async def check(self, text: str) -> Grant | None:
        """Return what the token is good for, None when there is no such token or its user may not use it now.

        It is None for a token that is malformed, revoked or expired, and while its user is banned, gone or an
        administrator: no program has that role. All of these look the same.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            return None
        token_id, digest, now = match[1], _digest(match[2]), self._clock()
        checked = self._checked.get(token_id)
        if checked is None or checked.until <= now:
            checked = await self._read(token_id, digest, now)
        # The digests are compared again for those that were remembered; a revocation may have come during the read.
        if checked is None or not hmac.compare_digest(checked.digest, digest) or token_id in self._revocations:
            return None
        return checked.grant

    async def of_user(self, user_id: str) -> list[AccessToken]:
        """Return the user's tokens, the newest first."""
        now = self._clock()
        return [token for token in await self._records.of_user(user_id) if token.expires_at > now]

    async def revoke(self, user_id: str, token_id: str) -> bool:
        """Revoke one token of the user on all replicas; False when they have no such token."""
        if not any(token.id == token_id for token in await self.of_user(user_id)):
            return False
        await self._revoke([token_id])
        return True

    async def revoke_all(self, user_id: str) -> None:
        """Revoke every token of the user on all replicas.

        To be called after all sessions of the user ended: a token under way then finds its session gone.
        """
        await self._revoke([token.id for token in await self._records.of_user(user_id)])

    async def purge_expired(self) -> None:
        """Clean up, every ten minutes, until cancelled."""
        while True:
            try:
                await self._records.drop_expired(self._clock())
            except PyMongoError:
                logger.warning("expired_access_tokens_wait_for_the_database")
            await asyncio.sleep(_CLEANING_SECONDS)

    async def _revoke(self, token_ids: list[str]) -> None:
        await self._records.remove(token_ids)
        until = self._clock() + _REVOKED_MS
        for token_id in token_ids:
            await self._revocations.revoke(token_id, until)

    async def _read(self, token_id: str, digest: str, now: Instant) -> _Checked | None:
        token = await self._records.by_id(token_id)
        if token is None or token.expires_at <= now or not hmac.compare_digest(token.digest, digest):
            return None
        user = await self._users.by_id(token.user_id)
        if user is None or user.banned_at is not None or user.is_admin:
            return None
        await self._note_use(token, now)
        session = Session(user.id, token.id, now, token.expires_at, user.verified_at is not None)
        checked = _Checked(digest, Grant(session, frozenset(token.scopes)), min(now + CHECKED_MS, token.expires_at))
        self._checked[token_id] = checked
        return checked

    async def _note_use(self, token: AccessToken, now: Instant) -> None:
        """Note the hour, so that it costs a write an hour. No request fails for it."""
        hour = now - now % _HOUR_MS
        if token.used_at == hour:
            return
        try:
            await self._records.touch(token.id, hour)
        except PyMongoError:
            logger.warning("use_of_access_token_not_noted")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
