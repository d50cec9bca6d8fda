"""The fleet as its manifests describe it, started on this machine: their commands, variables, mounts and probes."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler

from shared.migrations import service_url
from shared.postgres import PrivatePostgres
from shared.settings import FleetSettings, variable
from tests.support.deployment import compose, kubernetes
from tests.support.deployment.containers import (
    ROOT,
    Container,
    Deployment,
    Probe,
    WrongManifest,
    settings_of,
    wrong_variables,
)
from tests.support.deployment.kustomize import render
from tests.support.fleet import START_SECONDS, Fleet, StartFailed
from tests.support.services import PrivateRabbitMQ, PrivateRedis, free_port

BASE = ROOT / "deploy" / "k8s" / "base"
COMPOSE = ROOT / "docker-compose.yml"
STRIPE = ("CL_STRIPE_SECRET_KEY", "CL_STRIPE_WEBHOOK_SECRET")  # for the manifests to hand to whom it concerns
OWNED = ("auth", "billing", "scanner", "monitor", "reports")  # the services with a schema
ASK_AGAIN_SECONDS = 0.2


class Pod:
    """A container's process, in a folder that stands for the root of its file system."""

    def __init__(self, container: Container, folder: Path) -> None:
        self.container = container
        self.root = folder / "root" / container.name
        self.log = folder / f"{container.name}.log"
        self.ports = {port: free_port() for port in container.ports}
        self._volumes = folder / "volumes"
        self._process: asyncio.subprocess.Process | None = None
        self._environment: dict[str, str] = {}
        self._laid: set[Path] = set()

    def mount(self) -> None:
        self.root.mkdir(parents=True)
        for path, mount in self.container.mounts.items():
            here = self._inside(path)
            if mount.volume:
                volume = self._volumes / mount.volume
                volume.mkdir(parents=True, exist_ok=True)
                here.parent.mkdir(parents=True, exist_ok=True)
                here.symlink_to(volume)
            else:
                here.mkdir(parents=True)
                for name, content in mount.files.items():
                    (here / name).write_bytes(content)
                    (here / name).chmod(0o440)
        self._laid = self._there()

    async def start(self, environment: Mapping[str, str]) -> None:
        """`environment` beside what the image and this machine give: a PATH, and folders for what is not kept."""
        scratch = str(self._inside("/tmp"))
        self._environment = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": scratch, "TMPDIR": scratch, **environment,
        }  # fmt: skip
        self._process = await self._spawn(self.container.command, self.log)

    async def ended(self) -> int:
        assert self._process is not None
        return await self._process.wait()

    async def until_ready(self) -> None:
        """StartFailed when a probe does not pass. Only the first, at the start, may end the process by its patience."""
        first = self.container.probes[0]
        for probe in self.container.probes:
            deadline = time.monotonic() + (probe.patience if probe is first else START_SECONDS)
            while not await self.passes(probe):
                assert self._process is not None
                if self._process.returncode is not None or time.monotonic() > deadline:
                    raise StartFailed(f"{self.container.name} is not ready:\n{self.said()}")
                await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def passes(self, probe: Probe) -> bool:
        if probe.command:
            words = [self.translated(word) for word in probe.command]
            asking = await self._spawn(words, self.log.with_suffix(".probe"))
            return await asyncio.wait_for(asking.wait(), probe.timeout) == 0
        url = f"http://127.0.0.1:{self.ports[probe.port]}{probe.path}"
        with suppress(aiohttp.ClientError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=probe.timeout)) as session,
                session.get(url) as response,
            ):
                return 200 <= response.status < 400
        return False

    async def stop(self) -> int:
        """The exit code; killed when the manifest's grace is over."""
        if self._process is None:
            return 0
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self._process.wait(), self.container.grace)
        except TimeoutError:
            self._process.kill()
            return await self._process.wait()

    def translated(self, value: str) -> str:
        """A path as it is below this folder, and an own port as it is on this machine."""
        if value.startswith("/"):
            return str(self._inside(value))
        if value.startswith("file:///"):
            return self._inside(value.removeprefix("file://")).as_uri()
        return re.sub(r"(?<=//127\.0\.0\.1:)\d+", lambda port: str(self.ports.get(int(port[0]), port[0])), value)

    def written(self) -> set[Path]:
        """What was written where its file system is read-only."""
        return self._there() - self._laid

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def _inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _there(self) -> set[Path]:
        return {path.relative_to(self.root) for path in self.root.rglob("*")}

    async def _spawn(self, command: Sequence[str], log: Path) -> asyncio.subprocess.Process:
        program = sys.executable if command[0] == "python" else command[0]
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                program, *command[1:], env=self._environment, cwd=self.root, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip


class Manifested(Fleet):
    """The containers of a deployment over a private PostgreSQL, RabbitMQ and Redis; `settings`: what a lab adds."""

    async def start(self) -> None:
        self.postgres = PrivatePostgres(self.folder / "postgres")
        self.redis, self.broker = PrivateRedis(), PrivateRabbitMQ()
        self.stack.push_async_callback(self.postgres.stop)
        self.stack.callback(self.redis.stop)
        self.stack.callback(self.broker.stop)
        await asyncio.gather(
            self.postgres.start(), asyncio.to_thread(self.redis.start), asyncio.to_thread(self.broker.start)
        )
        self.deployment = await self.read()
        if wrong := [text for container in self.deployment.containers for text in wrong_variables(container)]:
            raise WrongManifest("\n".join(wrong))
        self.pods = {container.name: Pod(container, self.folder) for container in self.deployment.containers}
        self.url = f"http://127.0.0.1:{self._port('gateway', 8080)}"
        self.stack.push_async_callback(self.stop)
        up = {name: asyncio.Event() for name in self.pods}
        async with asyncio.TaskGroup() as starting:
            for pod in self.pods.values():
                starting.create_task(self._start(pod, up))

    async def read(self) -> Deployment:
        """The manifests, with secrets for the servers above."""
        raise NotImplementedError

    async def stop(self) -> list[int]:
        return list(await asyncio.gather(*(pod.stop() for pod in self.pods.values())))

    def files_in(self, volume: str) -> list[Path]:
        return list((self.folder / "volumes" / volume).iterdir())

    async def _start(self, pod: Pod, up: Mapping[str, asyncio.Event]) -> None:
        pod.mount()
        for name in pod.container.after:
            await up[name].wait()
        await pod.start(self._environment(pod))
        if pod.container.service is None:
            if await pod.ended():
                raise StartFailed(f"{pod.container.name}:\n{pod.said()}")
        else:
            await pod.until_ready()
        up[pod.container.name].set()

    def _environment(self, pod: Pod) -> dict[str, str]:
        """The manifest's variables in the terms of this machine, and those of the lab that its process knows."""
        given = {name: self._here(name, value, pod) for name, value in pod.container.environment.items()}
        if pod.container.service is None:
            return given
        fields = {*FleetSettings.model_fields, *settings_of(pod.container.service).model_fields}
        known = {variable(name) for name in fields} - {*STRIPE, "CL_DATA_DIR", "CL_KEYS_DIR"}
        return {name: value for name, value in self.settings.items() if name in known} | given

    def _here(self, name: str, value: str, pod: Pod) -> str:
        if name == "CL_HOST":
            return "127.0.0.1"
        if name in ("CL_PORT", "CL_METRICS_PORT"):
            return str(pod.ports[int(value)])
        host, port = urlsplit(value).hostname, re.search(r"^http://[^/]+:(\d+)$", value)
        if host and port and host != "127.0.0.1":
            return f"http://127.0.0.1:{self._port(host, int(port[1]))}"
        return pod.translated(value)

    def _port(self, host: str, port: int) -> int:
        """Of this machine, for a service's name and port."""
        if (host, port) not in self.deployment.addresses:
            raise WrongManifest(f"nothing listens at {host}:{port}")
        container, inside = self.deployment.addresses[host, port]
        return self.pods[container].ports[inside]


class InKubernetes(Manifested):
    """`deploy/k8s/base` in production, its secrets made as docs/operations.md says."""

    async def read(self) -> Deployment:
        self.mail = Mailbox()
        self.stack.callback(self.mail.stop)
        made = self.folder / "made-keys"
        owner = self.postgres.owner_url
        self.operator = {"CL_DATABASE_URL": owner, "CL_BUS_URL": self.broker.url, "CL_KEYS_DIR": str(made)}
        await self.admin("rotate-keys")
        passwords = {service: f"{service}-password" for service in OWNED}
        secrets = {
            "database": {service: service_url(owner, service, passwords[service]) for service in OWNED},
            "migration": {"owner-url": owner, "passwords.json": json.dumps(passwords)},
            "bus": {"url": self.broker.url},
            "cache": {"url": self.redis.url},
            "smtp": {"url": self.mail.url},
            "stripe": {"secret-key": self.settings[STRIPE[0]], "webhook-secret": self.settings[STRIPE[1]]},
        }
        encoded = {
            f"compliancelayer-{name}": {key: value.encode() for key, value in secret.items()}
            for name, secret in secrets.items()
        }
        keys = {path.name: path.read_bytes() for path in made.iterdir()}
        return kubernetes.deployment(render(BASE), {**encoded, "compliancelayer-keys": keys})


class InCompose(Manifested):
    """`docker-compose.yml` in development; the servers of others' images are those of this machine."""

    async def read(self) -> Deployment:
        owner = urlsplit(self.postgres.owner_url)
        self.operator = {"CL_DATABASE_URL": self.postgres.owner_url, "CL_BUS_URL": self.broker.url}
        environ = {f"{name.upper()}_PASSWORD": f"{name}-password" for name in (*OWNED, "rabbitmq")}
        environ |= {"POSTGRES_PASSWORD": str(owner.password), "CL_DEFAULT_PLAN": "free"}
        return compose.deployment(COMPOSE, environ | {name: self.settings[name] for name in STRIPE})

    def _here(self, name: str, value: str, pod: Pod) -> str:
        parts = urlsplit(value)
        if parts.hostname == "postgres":
            owner = urlsplit(self.postgres.owner_url)
            login = parts.netloc.rpartition("@")[0]
            return urlunsplit(parts._replace(netloc=f"{login}@", query=owner.query))
        if parts.hostname in ("rabbitmq", "redis"):
            return self.broker.url if parts.hostname == "rabbitmq" else self.redis.url
        return super()._here(name, value, pod)


class Mailbox(MessageHandler):
    """Takes mail by SMTP and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[Message] = []
        self._server = Controller(self, hostname="127.0.0.1", port=free_port())
        self._server.start()
        self.url = f"smtp://127.0.0.1:{self._server.port}"

    def handle_message(self, message: Message) -> None:
        self.received.append(message)

    def stop(self) -> None:
        self._server.stop()
