"""The gateway's word on who is calling: signed once per caller and service, and used for half a minute."""

from collections import OrderedDict

from shared.clock import Clock
from shared.contracts.principal import Principal
from shared.crypto import sign_assertion
from shared.keys import Keys

REUSED_FOR = 30.0  # seconds; each is good for a minute
REMEMBERED = 10_000


class Assertions:
    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._signed: OrderedDict[tuple[str, Principal | None, str | None], tuple[str, float]] = OrderedDict()

    def of(self, service: str, principal: Principal | None, client: str | None) -> str:
        key = (service, principal, client)
        token, until = self._signed.get(key, ("", 0.0))
        if self._clock.monotonic() < until:
            return token
        token = sign_assertion(self._keys, audience=service, principal=principal, client=client, now=self._clock.now())
        self._signed[key] = (token, self._clock.monotonic() + REUSED_FOR)
        self._signed.move_to_end(key)
        if len(self._signed) > REMEMBERED:
            self._signed.popitem(last=False)
        return token
