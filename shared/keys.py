"""The keys in `CL_KEYS_DIR`, two generations of each: read when needed, made when missing, but not in production."""

import base64
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.clock import Clock
from shared.settings import SettingError

SIGNERS = ("jwt", "assertion", "document")  # auth's tokens, the gateway's assertions, the scanner's documents
SECRETS = ("api-key-pepper", "seal")
_REREAD_SECONDS = 5.0


class Folder:
    """Files of one folder, each 0600, made under a lock so that processes that start together agree."""

    def __init__(self, path: Path, *, may_make: bool) -> None:
        self.path = path
        self._may_make = may_make

    def read(self, name: str) -> bytes | None:
        """The file's content, None if it is missing. SettingError when everybody may read it."""
        file = self.path / name
        try:
            mode = file.stat().st_mode
        except FileNotFoundError:
            return None
        if not name.endswith(".pub") and mode & stat.S_IRWXO:
            raise SettingError(
                f"CL_KEYS_DIR: {file} may be read by every user of this machine. Run: chmod 600 '{file}'."
            )
        return file.read_bytes()

    def need(self, name: str, make: Callable[[], Mapping[str, bytes]]) -> bytes:
        """The content of `name`; `make` gives it, with the files that belong to it, when it is missing."""
        content = self.read(name)
        if content is not None:
            return content
        if not self._may_make:
            raise SettingError(
                f"CL_KEYS_DIR: {self.path / name} is missing, and production makes no keys. "
                "Make them once with `compliancelayer admin rotate-keys` on a safe machine and mount them here."
            )
        with self.lock():
            content = self.read(name)
            if content is None:
                made = make()
                for other in sorted(made, key=lambda file: file == name):  # `name` last: it stands for the whole
                    self.write(other, made[other])
                content = made[name]
        return content

    def write(self, name: str, content: bytes) -> None:
        temporary = self.path / f".{name}.{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self.path / name)

    @contextmanager
    def lock(self) -> Iterator[None]:
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


class SigningKeys:
    """An Ed25519 key pair and the public half of the one before it. Only who signs needs the private half."""

    def __init__(self, folder: Folder, name: str, clock: Clock) -> None:
        self._folder = folder
        self._name = name
        self._clock = clock
        self._public: dict[str, Ed25519PublicKey] = {}
        self._read_at = -_REREAD_SECONDS

    @cached_property
    def private(self) -> Ed25519PrivateKey:
        key = load_pem_private_key(self._folder.need(f"{self._name}.pem", self._make), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingError(f"CL_KEYS_DIR: {self._name}.pem is no Ed25519 key. Replace it by one.")
        return key

    @cached_property
    def key_id(self) -> str:
        """The id of the key that signs."""
        return key_id(self.private.public_key())

    def find(self, key: str) -> Ed25519PublicKey | None:
        """The accepted public key of that id. An unknown one is looked for in the files anew: keys may be rotated."""
        if key not in self._public and self._clock.monotonic() - self._read_at >= _REREAD_SECONDS:
            self._public = self._read()
            self._read_at = self._clock.monotonic()
        return self._public.get(key)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The accepted public keys as a JSON Web Key Set (RFC 7517; OKP keys of RFC 8037)."""
        return {"keys": [_jwk(key) | {"kid": kid, "use": "sig", "alg": "EdDSA"} for kid, key in self._read().items()]}

    def _read(self) -> dict[str, Ed25519PublicKey]:
        current = self._folder.need(f"{self._name}.pub", self._make)
        accepted = [current, self._folder.read(f"{self._name}.previous.pub")]
        keys = [load_pem_public_key(pem) for pem in accepted if pem is not None]
        return {key_id(key): key for key in keys if isinstance(key, Ed25519PublicKey)}

    def _make(self) -> dict[str, bytes]:
        private = self._folder.read(f"{self._name}.pem") or _new_private_key()
        return {f"{self._name}.pem": private, f"{self._name}.pub": _public_half(private)}


class Sealer:
    """Authenticated encryption of secrets at rest (AES-256-GCM, a random nonce each)."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._ciphers = tuple(AESGCM(key) for key in keys)

    def seal(self, plain: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._ciphers[0].encrypt(nonce, plain, None)

    def open(self, sealed: bytes) -> bytes:
        """ValueError when it was sealed with neither accepted key, or altered."""
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(sealed[:12], sealed[12:], None)
            except (InvalidTag, ValueError):
                continue
        raise ValueError("sealed with a key that is not in CL_KEYS_DIR any more, or altered")


class Keys:
    """All keys of the installation. A process reads only those it uses, so it can be given only those."""

    def __init__(self, path: Path, *, may_make: bool, clock: Clock) -> None:
        self._folder = Folder(path, may_make=may_make)
        self.jwt = SigningKeys(self._folder, "jwt", clock)
        self.assertion = SigningKeys(self._folder, "assertion", clock)
        self.document = SigningKeys(self._folder, "document", clock)

    @cached_property
    def api_key_peppers(self) -> tuple[bytes, ...]:
        """The current pepper first, then the previous one where there is one."""
        return self._secret("api-key-pepper")

    @property
    def api_key_pepper(self) -> bytes:
        return self.api_key_peppers[0]

    @cached_property
    def seal(self) -> Sealer:
        return Sealer(self._secret("seal"))

    def files(self, names: tuple[str, ...], make: Callable[[], Mapping[str, bytes]]) -> dict[str, Path]:
        """Paths of files that belong together; where the last is missing, `make` gives all of them by name."""
        self._folder.need(names[-1], make)
        return {name: self._folder.path / name for name in names}

    def rotate(self) -> None:
        """New keys for all that is signed or sealed from now on; the present ones become the previous generation."""
        with self._folder.lock():
            for name in SIGNERS:
                self._retire(f"{name}.pub", f"{name}.previous.pub")
                private = _new_private_key()
                self._folder.write(f"{name}.pub", _public_half(private))
                self._folder.write(f"{name}.pem", private)
            for name in SECRETS:
                self._retire(f"{name}.key", f"{name}.previous.key")
                self._folder.write(f"{name}.key", _new_secret())

    def _retire(self, current: str, previous: str) -> None:
        content = self._folder.read(current)
        if content is not None:
            self._folder.write(previous, content)

    def _secret(self, name: str) -> tuple[bytes, ...]:
        current = self._folder.need(f"{name}.key", lambda: {f"{name}.key": _new_secret()})
        previous = self._folder.read(f"{name}.previous.key")
        return tuple(base64.b64decode(text) for text in (current, previous) if text is not None)


def key_id(key: Ed25519PublicKey) -> str:
    """The JWK thumbprint (RFC 7638)."""
    jwk = _jwk(key)
    canonical = f'{{"crv":"{jwk["crv"]}","kty":"{jwk["kty"]}","x":"{jwk["x"]}"}}'
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _new_secret() -> bytes:
    return base64.b64encode(os.urandom(32))


def _new_private_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_half(private: bytes) -> bytes:
    key = load_pem_private_key(private, password=None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
