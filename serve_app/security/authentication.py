"""Every request is authenticated once: whose it is, and whether its session's token is to be renewed."""

from pymongo.errors import PyMongoError
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.accounts.bearer_tokens import AccessTokens
from serve_app.accounts.session_cookies import Sessions
from serve_app.http.errors import CustomError, DatabaseConnectionError
from serve_app.security.bearer import bearer_of, session_of_token
from serve_app.web.errors import response_of


class AuthenticationMiddleware:
    """Notes the session in the request's scope, and sends a renewed token with the response.

    A personal access token stands for a session where its scopes are enough for the route, and is refused elsewhere.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, access_tokens: AccessTokens) -> None:
        self._app = app
        self._sessions = sessions
        self._access_tokens = access_tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            bearer = bearer_of(scope)
            if bearer is not None:
                error = await self._refusal_of(Request(scope), bearer)
                if error is not None:
                    await response_of(Request(scope), error)(scope, receive, send)
                    return
            elif (renewal := await self._sessions.authenticate(HTTPConnection(scope))) is not None:
                send = _with([header for header in renewal.raw_headers if header[0] == b"set-cookie"], send)
        await self._app(scope, receive, send)

    async def _refusal_of(self, request: Request, bearer: str) -> CustomError | None:
        """Note whose token it is, or return why the request is refused."""
        try:
            self._sessions.note(request, await session_of_token(request, bearer, self._access_tokens))
        except CustomError as error:
            return error
        except PyMongoError:
            return DatabaseConnectionError()
        return None


def _with(headers: list[tuple[bytes, bytes]], send: Send) -> Send:
    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            # Before the response's own, so that signing out has the last word.
            message["headers"] = [*headers, *message.get("headers", ())]
        await send(message)

    return add
