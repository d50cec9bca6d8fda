"""Who is calling: a credential becomes a principal by asking auth, whose answer is remembered for five seconds."""

import asyncio
import hashlib
from collections import OrderedDict

import orjson
from aiohttp import web

from services.gateway.upstream import Upstreams, unavailable
from shared.clock import Clock
from shared.contracts.principal import Principal
from shared.errors import ApiError
from shared.web import Caller

REMEMBER = 5.0  # seconds since auth was asked: revocation holds within this, even with broker and cache away
REMEMBER_REFUSAL = 1.0
REMEMBERED = 10_000
MAX_CREDENTIAL = 4096  # characters
ANSWER_SECONDS = 5.0

Answer = Principal | ApiError


class Authentication:
    def __init__(self, upstreams: Upstreams, clock: Clock) -> None:
        self._upstreams = upstreams
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Answer, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Answer]] = {}

    async def principal(self, request: web.Request) -> Principal:
        """ApiError unauthorized, invalid_api_key, service_unavailable."""
        credential = bearer(request)
        digest = hashlib.sha256(credential.encode()).digest()
        answer, until = self._known.get(digest, (None, 0.0))
        if answer is None or self._clock.monotonic() >= until:
            answer = await self._ask_once(digest, credential)
        if isinstance(answer, ApiError):
            raise ApiError(answer.code, answer.message, headers=answer.headers)
        return answer

    def forget(self, account_id: int) -> None:
        """A credential of the account was revoked, or the account disabled."""
        for digest, (answer, _) in list(self._known.items()):
            if isinstance(answer, Principal) and answer.account_id == account_id:
                del self._known[digest]

    async def _ask_once(self, digest: bytes, credential: str) -> Answer:
        """However many requests wait for the same credential, auth is asked once."""
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._ask(digest, credential))
            task.add_done_callback(lambda _: self._asking.pop(digest, None))
        return await asyncio.shield(task)

    async def _ask(self, digest: bytes, credential: str) -> Answer:
        """Auth's answer, remembered; or why there is none."""
        asked_at = self._clock.monotonic()
        asking = self._upstreams.answer(
            "auth",
            "POST",
            "/internal/introspect",
            Caller(),
            headers={"Content-Type": "application/json"},
            body=orjson.dumps({"credential": credential}),
            silence=ANSWER_SECONDS,
        )
        try:
            async with asking as response:
                body = await response.read()
        except ApiError as error:
            return error
        if response.status == 200:
            self._remember(digest, Principal.model_validate_json(body), asked_at + REMEMBER)
        elif response.status == 401:
            problem = orjson.loads(body)
            refusal = ApiError(problem["error"], problem["message"], headers={"WWW-Authenticate": "Bearer"})
            self._remember(digest, refusal, asked_at + REMEMBER_REFUSAL)
        else:
            return unavailable("cannot check credentials just now")
        return self._known[digest][0]

    def _remember(self, digest: bytes, answer: Answer, until: float) -> None:
        self._known[digest] = (answer, until)
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


def bearer(request: web.Request) -> str:
    """The credential of the request (RFC 6750, section 2.1). ApiError unauthorized."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or len(credential) > MAX_CREDENTIAL or not credential.isascii():
        raise ApiError(
            "unauthorized",
            "This needs a credential: send `Authorization: Bearer <API key or token>`.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return credential
