"""OPTIONS, asked of each web service that answers; no other method than that is ever tried."""

import asyncio

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.http import Http, Service
from services.scanner.engine.evidence.methods import Methods, OptionsReply
from services.scanner.engine.exchange import Exchange, Exchanges
from services.scanner.engine.network import Network
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target


@probe(budget=10.0)
async def methods(target: Target, network: Network, http: Http) -> Methods:
    async with Exchanges(network, seconds=8.0) as exchanges:
        return Methods(
            target.domain, tuple(await asyncio.gather(*(_options(exchanges, s) for s in http.services if s.chain)))
        )


async def _options(exchanges: Exchanges, service: Service) -> OptionsReply:
    url = f"{service.scheme}://{service.host}/"
    if isinstance(service.chain, Unseen):
        return OptionsReply(service.asset, url, service.chain)
    reply = await exchanges.ask(service.address, url, method="OPTIONS", limit=4096)
    if not isinstance(reply, Exchange):
        return OptionsReply(service.asset, url, reply or Unseen("the port closed", "target"))
    allow = [value for name in ("allow", "public") if (value := reply.response.header(name))]
    return OptionsReply(
        service.asset, url, reply.response.status, ", ".join(allow) or None, reply.response.header("dav")
    )
