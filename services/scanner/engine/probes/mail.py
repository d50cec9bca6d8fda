"""Mail records by the resolver: MX, SPF and what it includes, DMARC up the tree, DKIM at likely selectors."""

import asyncio
from collections.abc import Iterable

from services.scanner.engine.evidence.base import Unseen
from services.scanner.engine.evidence.mail import Lookup, MailRecords, MailType
from services.scanner.engine.network import Network
from services.scanner.engine.parsers import dmarc
from services.scanner.engine.parsers.spf_evaluation import evaluate
from services.scanner.engine.probe import probe
from services.scanner.engine.target import Target

MAX_QUESTIONS = 120
MAX_NAME = 253
PATIENCE = 5.0  # seconds after which no further level of includes is asked; one takes about 6 at the worst

COMMON_SELECTORS = (
    *("default", "dkim", "mail", "smtp", "mx", "key1", "s1", "s2", "k1", "k2"),
    *("selector1", "selector2", "google", "20230601"),
)
# What the MX or an SPF record says of who handles the mail, and the selectors that they hand out.
PROVIDER_SELECTORS = {
    "google.com": ("google", "20221208", "20230601"),
    "outlook.com": ("selector1", "selector2"),
    "messagingengine.com": ("fm1", "fm2", "fm3"),
    "protonmail.ch": ("protonmail", "protonmail2", "protonmail3"),
    "zoho.": ("zoho", "zmail"),
    "icloud.com": ("sig1",),
    "yandex.": ("mail",),
    "mail.ru": ("mailru",),
    "gandi.net": ("gm1", "gm2", "gm3"),
    "migadu.com": ("key1", "key2", "key3"),
    "hostinger.com": ("hostingermail1", "hostingermail2", "hostingermail-a"),
    "mailbox.org": ("mbo0001", "mbo0002", "mbo0003", "mbo0004"),
    "tutanota.de": ("s1", "s2"),
    "simplelogin.co": ("dkim", "dkim02", "dkim03"),
    "improvmx.com": ("dkimprovmx1", "dkimprovmx2"),
    "mxroute.com": ("x",),
    "mailgun.org": ("mailo", "mta", "pic", "smtp"),
    "sendgrid.net": ("s1", "s2", "smtpapi"),
    "mcsv.net": ("k1", "k2", "k3"),
    "mandrillapp.com": ("mandrill", "mte1", "mte2"),
    "mailjet.com": ("mailjet",),
    "mtasv.net": ("pm",),
    "sendinblue.com": ("mail", "brevo1", "brevo2"),
    "brevo.com": ("mail", "brevo1", "brevo2"),
    "mlsend.com": ("litesrv", "ml"),
    "klaviyo": ("kl", "kl2"),
    "zendesk.com": ("zendesk1", "zendesk2"),
    "mimecast.com": ("mimecast20190104",),
}


@probe(budget=15)
async def mail(target: Target, network: Network) -> MailRecords:
    questions = _Questions(network)
    domain = target.domain
    keys = f"_domainkey.{domain}"
    await questions.ask(
        [
            (domain, "MX"),
            (domain, "TXT"),
            (keys, "TXT"),
            *((f"_dmarc.{at}", "TXT") for at in dmarc.walk(domain)),
            *_keys(domain, COMMON_SELECTORS),
        ]
    )
    selectors = dict.fromkeys((*COMMON_SELECTORS, *_provider_selectors(questions, domain)))
    wanted = [*_keys(domain, selectors), *_authorisations(questions, domain)]
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while await questions.ask([*wanted, *evaluate(domain, questions.find).wanted]):  # a wave a level of includes
        if asyncio.get_running_loop().time() > deadline:
            break
    return MailRecords(domain, target.registrable, questions.lookups(), tuple(selectors), questions.exists(keys))


class _Questions:
    """What was asked so far; each question once, a bounded number."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._found: dict[tuple[str, MailType], tuple[str, ...] | Unseen] = {}
        self._exists: dict[str, bool] = {}

    def find(self, name: str, record_type: MailType) -> tuple[str, ...] | Unseen | None:
        return self._found.get((name, record_type))

    def lookups(self) -> tuple[Lookup, ...]:
        return tuple(Lookup(name, kind, records) for (name, kind), records in self._found.items())

    def exists(self, name: str) -> bool | None:
        """Whether the name, or any below it, exists (RFC 8020); None where that was not answered."""
        return self._exists.get(name)

    async def ask(self, wanted: Iterable[tuple[str, MailType]]) -> bool:
        """False where nothing new is left to ask, or no more may be asked."""
        room = MAX_QUESTIONS - len(self._found)
        new = [question for question in dict.fromkeys(wanted) if question not in self._found][:room]
        answers = await asyncio.gather(*(self._resolve(*question) for question in new))
        self._found.update(zip(new, answers, strict=True))
        return bool(new)

    async def _resolve(self, name: str, record_type: MailType) -> tuple[str, ...] | Unseen:
        if len(name) > MAX_NAME or any(not 0 < len(label) <= 63 for label in name.split(".")):
            return ()  # no such name can exist (RFC 1035 section 2.3.4)
        answer = await self._network.resolve(name, record_type)
        if isinstance(answer, Unseen):
            return answer
        self._exists[name] = answer.rcode != "NXDOMAIN"
        return tuple(sorted(record.data for record in answer.records))


def _keys(domain: str, selectors: Iterable[str]) -> list[tuple[str, MailType]]:
    return [(f"{selector}._domainkey.{domain}", "TXT") for selector in selectors]


def _provider_selectors(questions: _Questions, domain: str) -> list[str]:
    said = ""
    for kind in ("MX", "TXT"):
        records = questions.find(domain, kind)
        said += "" if records is None or isinstance(records, Unseen) else " ".join(records).lower() + " "
    return [selector for sign, known in PROVIDER_SELECTORS.items() if sign in said for selector in known]


def _authorisations(questions: _Questions, domain: str) -> list[tuple[str, MailType]]:
    applied = dmarc.discover(domain, questions.find)
    if applied is None or isinstance(applied, Unseen):
        return []
    return [(name, "TXT") for name in dmarc.questions(applied)]
