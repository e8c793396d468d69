"""Tells browsers to believe the content type of every response (OWASP, HTTP Headers Cheat Sheet)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADER = (b"x-content-type-options", b"nosniff")


class NoSniff:
    """Adds `X-Content-Type-Options: nosniff`, to errors as well."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the header to its response."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), _HEADER]
            await send(message)

        await self._app(scope, receive, add)
