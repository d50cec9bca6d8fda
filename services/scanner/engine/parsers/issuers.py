"""Which CAA identifiers stand for the authority that issued a certificate, by the organisation that its issuer names.

As the authorities state them in their practice statements, written down by hand on 2026-11-24; the Common CA Database
(https://www.ccadb.org/resources) has the full list. An authority that does not stand here is not judged.
"""

import re
from collections.abc import Mapping

_AMAZON = ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com", "aws.amazon.com")
_DIGICERT = (
    *(
        "digicert.com",
        "www.digicert.com",
        "symantec.com",
        "thawte.com",
        "geotrust.com",
        "rapidssl.com",
        "quovadisglobal.com",
    ),
    *("volusion.digitalcertvalidation.com", "stratossl.digitalcertvalidation.com", "digitalcertvalidation.com"),
)
_SECTIGO = (
    *(
        "sectigo.com",
        "comodo.com",
        "comodoca.com",
        "usertrust.com",
        "trust-provider.com",
        "entrust.net",
        "affirmtrust.com",
    ),
    *("zerossl.com",),
)
_BY_ORGANISATION: Mapping[str, tuple[str, ...]] = {
    "let's encrypt": ("letsencrypt.org",),
    "internet security research group": ("letsencrypt.org",),
    "google trust services": ("pki.goog",),
    "google trust services llc": ("pki.goog",),
    "amazon": _AMAZON,
    "digicert inc": _DIGICERT,
    "digicert, inc.": _DIGICERT,
    "digicert europe": _DIGICERT,
    "quovadis limited": _DIGICERT,
    "sectigo limited": _SECTIGO,
    "comodo ca limited": _SECTIGO,
    "zerossl": _SECTIGO,
    "entrust, inc.": _SECTIGO,
    "entrust limited": _SECTIGO,
    "globalsign nv-sa": ("globalsign.com",),
    "godaddy.com, inc.": ("godaddy.com", "starfieldtech.com"),
    "starfield technologies, inc.": ("godaddy.com", "starfieldtech.com"),
    "ssl corporation": ("ssl.com",),
    "buypass as-983163327": ("buypass.com", "buypass.no", "pki.buypass.no"),
    "actalis s.p.a.": ("actalis.it",),
    "asseco data systems s.a.": ("certum.pl", "certum.eu", "yandex.ru"),
    "unizeto technologies s.a.": ("certum.pl", "certum.eu"),
    "swisssign ag": ("swisssign.com", "swisssign.net", "swissign.com"),
    "hellenic academic and research institutions ca": ("harica.gr",),
    "identrust": ("identrust.com",),
    "certainly": ("certainly.com",),
    "microsoft corporation": ("microsoft.com",),
    "apple inc.": ("pki.apple.com",),
    "d-trust gmbh": ("d-trust.net", "dtrust.de", "d-trust.de"),
    "deutsche telekom security gmbh": ("telesec.de", "pki.dfn.de", "dfn.de"),
    "telia company ab": ("telia.com", "telia.fi", "telia.se"),
    "certigna": ("certigna.fr",),
    "dhimyotis": ("certigna.fr",),
    "emudhra technologies limited": ("emsign.com",),
    "trustasia technologies, inc.": ("trustasia.com", "sectigo.com", "digicert.com"),
}
_ORGANISATION = re.compile(
    r"(?:^|,[ \t]*)O[ \t]*=[ \t]*(?:\"([^\"]{1,200})\"|([^=]{1,200}?))(?=,[ \t]*[A-Za-z0-9.]{1,30}[ \t]*=|\Z)"
)


def organisation(issuer: str) -> str:
    """The O of a distinguished name as text: "C=US, O=Let's Encrypt, CN=R11"."""
    found = _ORGANISATION.search(issuer[:500])
    return (found[1] or found[2]).strip() if found else ""


def identifiers(issuer: str) -> tuple[str, ...]:
    """() where the authority is not known here."""
    return _BY_ORGANISATION.get(organisation(issuer).lower(), ())
