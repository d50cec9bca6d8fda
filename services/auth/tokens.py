"""Access tokens: EdDSA JWTs (RFC 7519, RFC 8037), each bound to a session that can be ended."""

from datetime import datetime, timedelta

import jwt

from shared.keys import SigningKeys

LIFETIME = timedelta(hours=24)

_AUDIENCE = "compliancelayer"
_TYPE = "at+jwt"  # RFC 9068: no other kind of token of ours passes for one
_LONGEST = 2048


class InvalidToken(Exception):
    """Not one of our tokens, or expired."""


class Tokens:
    """`issuer` is the installation's public address."""

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    def issue(self, *, user_id: int, session_id: str, now: datetime) -> str:
        """A token good for `LIFETIME`, or until its session ends."""
        claims = {
            "iss": self._issuer,
            "aud": _AUDIENCE,
            "sub": str(user_id),
            "jti": session_id,
            "iat": int(now.timestamp()),
            "exp": int((now + LIFETIME).timestamp()),
        }
        headers = {"kid": self._keys.key_id, "typ": _TYPE}
        return jwt.encode(claims, self._keys.private, algorithm="EdDSA", headers=headers)

    def session_of(self, token: str, now: datetime) -> str:
        """The id of the session that a token is bound to. Raises `InvalidToken`."""
        if len(token) > _LONGEST:
            raise InvalidToken("longer than any of ours")
        try:
            header = jwt.get_unverified_header(token)
            key = self._keys.find(str(header.get("kid")))
            if key is None or header.get("typ") != _TYPE:
                raise InvalidToken("not signed by an accepted key")
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=_AUDIENCE,
                issuer=self._issuer,
                # The times are compared with the given `now` below.
                options={
                    "require": ["iss", "aud", "sub", "jti", "iat", "exp"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "strict_aud": True,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise InvalidToken(str(error)) from None
        expires, session = claims["exp"], claims["jti"]
        if type(expires) is not int or not isinstance(session, str) or now.timestamp() >= expires:
            raise InvalidToken("expired")
        return session
