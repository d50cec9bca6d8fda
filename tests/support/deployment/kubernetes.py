"""The containers of rendered Kubernetes manifests, with what their secrets hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.deployment.containers import Container, Deployment, Mount, Probe, WrongManifest
from tests.support.deployment.kustomize import Resource

Secrets = Mapping[str, Mapping[str, bytes]]


def deployment(resources: Sequence[Resource], secrets: Secrets) -> Deployment:
    """One container for each Deployment and Job. WrongManifest: a reference leads nowhere."""
    return _Reader(resources, secrets).deployment()


class _Reader:
    def __init__(self, resources: Sequence[Resource], secrets: Secrets) -> None:
        self._resources = resources
        self._secrets = secrets

    def deployment(self) -> Deployment:
        jobs, deployments = self._of("Job"), self._of("Deployment")
        ended = frozenset(job["metadata"]["name"] for job in jobs)
        containers = [self._container(job, frozenset()) for job in jobs]
        containers += [self._container(one, ended) for one in deployments]
        return Deployment(containers, self._addresses())

    def _of(self, kind: str) -> list[Resource]:
        return [resource for resource in self._resources if resource["kind"] == kind]

    def _container(self, resource: Resource, after: frozenset[str]) -> Container:
        name, pod = resource["metadata"]["name"], resource["spec"]["template"]["spec"]
        (main,) = pod["containers"]
        volumes = {volume["name"]: self._mount(name, volume) for volume in pod["volumes"]}
        return Container(
            name=name,
            command=tuple(main["command"]),
            environment=dict(pair for entry in main["env"] if (pair := self._variable(entry))),
            mounts={mount["mountPath"]: volumes[mount["name"]] for mount in main["volumeMounts"]},
            ports=frozenset(port["containerPort"] for port in main.get("ports", ())),
            probes=[
                _probe(main[kind], main["ports"])
                for kind in ("startupProbe", "readinessProbe", "livenessProbe")
                if kind in main
            ],
            after=after,
            grace=pod.get("terminationGracePeriodSeconds", 30),
        )

    def _variable(self, entry: dict[str, Any]) -> tuple[str, str] | None:
        if "value" in entry:
            return entry["name"], entry["value"]
        ((kind, reference),) = entry["valueFrom"].items()
        if kind == "configMapKeyRef":
            (data,) = [one["data"] for one in self._of("ConfigMap") if one["metadata"]["name"] == reference["name"]]
            return entry["name"], data[reference["key"]]
        if kind != "secretKeyRef":
            raise WrongManifest(f"{entry['name']} comes from a {kind}")
        value = self._secret(reference["name"], reference["key"], optional=reference.get("optional", False))
        return None if value is None else (entry["name"], value.decode())

    def _mount(self, container: str, volume: dict[str, Any]) -> Mount:
        kind = (volume.keys() - {"name"}).pop()
        source = volume[kind]
        if kind == "emptyDir":
            return Mount(volume=f"{container}-{volume['name']}")
        if kind == "persistentVolumeClaim":
            if source["claimName"] not in {claim["metadata"]["name"] for claim in self._of("PersistentVolumeClaim")}:
                raise WrongManifest(f"{container} claims {source['claimName']}, which is declared nowhere")
            return Mount(volume=source["claimName"])
        if kind == "secret":
            return Mount(files=self._files(source["secretName"], source))
        if kind == "projected":
            parts = [self._files(part["secret"]["name"], part["secret"]) for part in source["sources"]]
            return Mount(files={name: content for part in parts for name, content in part.items()})
        raise WrongManifest(f"{container}: {volume['name']} is a {kind}")

    def _files(self, secret: str, source: dict[str, Any]) -> dict[str, bytes]:
        optional = source.get("optional", False)
        found = {item["path"]: self._secret(secret, item["key"], optional=optional) for item in source["items"]}
        return {path: content for path, content in found.items() if content is not None}

    def _secret(self, name: str, key: str, *, optional: bool) -> bytes | None:
        value = self._secrets.get(name, {}).get(key)
        if value is None and not optional:
            raise WrongManifest(f"the secret {name} has no {key}")
        return value

    def _addresses(self) -> dict[tuple[str, int], tuple[str, int]]:
        """By each Service, to the container that its selector finds."""
        found = {}
        for service in self._of("Service"):
            (chosen,) = [
                one
                for one in self._of("Deployment")
                if service["spec"]["selector"].items() <= one["spec"]["template"]["metadata"]["labels"].items()
            ]
            ports = chosen["spec"]["template"]["spec"]["containers"][0]["ports"]
            for port in service["spec"]["ports"]:
                here = (service["metadata"]["name"], port["port"])
                found[here] = (chosen["metadata"]["name"], _port(port["targetPort"], ports))
        return found


def _probe(probe: dict[str, Any], ports: Sequence[dict[str, Any]]) -> Probe:
    asked = probe["httpGet"]
    return Probe(
        attempts=probe["failureThreshold"],
        period=probe["periodSeconds"],
        timeout=probe["timeoutSeconds"],
        path=asked["path"],
        port=_port(asked["port"], ports),
    )


def _port(name: str, ports: Sequence[dict[str, Any]]) -> int:
    (number,) = [port["containerPort"] for port in ports if port["name"] == name]
    return int(number)
