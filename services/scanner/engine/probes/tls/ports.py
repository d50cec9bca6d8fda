"""Where TLS is looked for."""

from collections.abc import Mapping

from services.scanner.engine.probes import starttls
from services.scanner.engine.probes.starttls import Opening

PORT = 443
WEB_PORTS = (PORT, 8443)
# RFC 8314 section 3, RFC 6409, RFC 3207, RFC 2595. Port 25 of the mail hosts is looked at with the transport of mail.
MAIL_PORTS: Mapping[int, Opening | None] = {
    465: None,
    993: None,
    995: None,
    587: starttls.smtp,
    143: starttls.imap,
    110: starttls.pop3,
}
