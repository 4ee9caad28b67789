"""What every request passes: who may ask, from where, and what a browser may do with the answer."""

from __future__ import annotations

import hmac

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "harness_token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Reading alone, under a name of this machine's own; under any other name with a token."""

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await (self.refusal(Request(scope)) or self.app)(scope, receive, guarded)

    def refusal(self, request: Request) -> ASGIApp | None:
        # Another site may have its own name point here: a browser would then hand it what it reads.
        name = request.headers.get("host", "").lower()
        if self.token is None and name.rpartition(":")[0] not in LOCAL and name not in LOCAL:
            return PlainTextResponse(f"This dashboard does not answer to the name {name!r}.\n", 421)
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("This dashboard is only read.\n", 405, {"Allow": "GET, HEAD"})
        return None if self.token is None else self.without_token(request, self.token)

    def without_token(self, request: Request, token: str) -> ASGIApp | None:
        given = request.query_params.get("token")
        if given is not None and same(given, token):
            answer = RedirectResponse(str(request.url.remove_query_params("token").replace(scheme="", netloc="")), 303)
            answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
            return answer
        if same(request.cookies.get(COOKIE, ""), token):
            return None
        return PlainTextResponse("Open the address that harness dashboard printed: it holds a token.\n", 401)


def same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
