"""What the manifests promise: restricted pods, secrets for whom they concern, closed doors, variables that are read."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from shared import runtime
from shared.egress import Egress, Refused, system_resolver
from tests.support.deployment import compose, kubernetes
from tests.support.deployment.containers import ROOT, Container, WrongManifest, wrong_variables
from tests.support.deployment.fleet import BASE, COMPOSE
from tests.support.deployment.kustomize import Resource, render

DEPLOYMENTS = {"gateway", "auth", "billing", "scanner-api", "scanner-worker", "monitor", "reports"}
SERVICES = {"gateway", "auth", "billing", "scanner", "monitor", "reports"}
# Private halves and secrets, with the one process that signs, hashes or seals with them.
PRIVATE = {
    "jwt.pem": "auth", "api-key-pepper.key": "auth", "assertion.pem": "gateway", "document.pem": "scanner-api",
    "seal.key": "monitor", "report-signing.pem": "reports",
}  # fmt: skip
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
BASE_RESOURCES = render(BASE)
PASSWORDS = dict.fromkeys(re.findall(r"\$\{(\w+_PASSWORD)", COMPOSE.read_text()), "secret")
# Private, shared, link-local (where clouds keep credentials), loopback, special, multicast, reserved.
NOT_THE_INTERNET = (
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "127.0.0.1", "0.0.0.1", "192.0.0.192",
    "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255", "168.63.129.16",
    "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "64:ff9b::a00:1", "2002:a00:1::1",
)  # fmt: skip


def of(kind: str) -> dict[str, Resource]:
    return {one["metadata"]["name"]: one for one in BASE_RESOURCES if one["kind"] == kind}


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(part)


def filled_secrets() -> dict[str, dict[str, bytes]]:
    """All that is referred to, with something in it."""
    secrets: dict[str, dict[str, bytes]] = defaultdict(dict)
    for part in walk(BASE_RESOURCES):
        if reference := part.get("secretKeyRef"):
            secrets[reference["name"]][reference["key"]] = b"secret"
        name = str(part.get("secretName", part.get("name")))
        for item in part.get("items", ()):
            secrets[name][item["key"]] = b"secret"
    return secrets


@cache
def containers() -> dict[str, Container]:
    """Of both forms, by form and name."""
    in_kubernetes = kubernetes.deployment(BASE_RESOURCES, filled_secrets()).containers
    in_compose = compose.deployment(COMPOSE, PASSWORDS).containers
    return {f"kubernetes-{one.name}": one for one in in_kubernetes} | {f"compose-{one.name}": one for one in in_compose}


every_container = pytest.mark.parametrize("container", containers().values(), ids=containers().keys())
every_deployment = pytest.mark.parametrize("name", sorted(DEPLOYMENTS))


# -- both forms ------------------------------------------------------------------------------------------------------


def test_both_forms_start_every_process() -> None:
    names = set(containers())
    assert names == {f"kubernetes-{name}" for name in (*DEPLOYMENTS, "migration")} | {
        f"compose-{name}" for name in (*SERVICES, "migrate")
    }


@every_container
def test_variables_are_known_and_read_and_complete(container: Container) -> None:
    assert wrong_variables(container) == []


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("kubernetes-auth", {"CL_SMTP_URL": "smtp://x"}, "CL_SMTP_URL is no setting of its process"),
        ("kubernetes-auth", {"CL_BUS_ULR": "amqp://x"}, "CL_BUS_ULR is no setting of its process"),
        ("kubernetes-billing", {"CL_TEST_BUS_URL": "amqp://x"}, "CL_TEST_BUS_URL is read by nothing in its process"),
        ("kubernetes-scanner-worker", {"CL_KEYS_DIR": "/keys"}, "CL_KEYS_DIR is read by nothing in its process"),
        ("kubernetes-monitor", {"CL_DATABASE_URL": ""}, "CL_DATABASE_URL is not set"),
        ("compose-gateway", {"CL_REPORTS_URL": ""}, "CL_REPORTS_URL is not set"),
        ("compose-migrate", {"CL_PORT": "80"}, "CL_PORT is read by nothing in its process"),
    ],
)
def test_a_wrong_variable_is_noticed(name: str, change: dict[str, str], what: str) -> None:
    container = containers()[name]
    changed = replace(container, environment={**container.environment, **change})
    assert wrong_variables(changed) == [f"{container.name}: {what}"]


def test_the_image_is_this_version() -> None:
    manifests = [*BASE.glob("*.yaml"), COMPOSE, ROOT / "deploy" / "Dockerfile"]
    tags = {
        tag for file in manifests for tag in re.findall(r"compliancelayer-(?:service|reports):(\S+)", file.read_text())
    }
    assert tags == {VERSION}


def test_targets_end_as_an_account_by_number() -> None:
    stages = re.split(r"^FROM ", (ROOT / "deploy" / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    users = {stage.split()[2]: re.findall(r"^USER (\S+)", stage, re.MULTILINE) for stage in stages}
    assert users["runtime"] == ["10001:10001"]
    assert users["service"] == []  # as `runtime`
    assert users["reports"][-1] == "10001:10001"


# -- Kubernetes ------------------------------------------------------------------------------------------------------


def test_the_namespace_is_restricted() -> None:
    labels = of("Namespace")["compliancelayer"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize(
    "workload", [*of("Deployment").values(), *of("Job").values()], ids=lambda one: one["metadata"]["name"]
)
def test_pods_are_restricted(workload: Resource) -> None:
    pod = workload["spec"]["template"]["spec"]
    (main,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert main["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert main["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in main["resources"]["limits"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@every_deployment
def test_a_deployment_is_probed_selected_and_kept_available(name: str) -> None:
    template = of("Deployment")[name]["spec"]["template"]
    labels = template["metadata"]["labels"]
    (main,) = template["spec"]["containers"]
    assert {kind: main[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz",
    }  # fmt: skip
    assert of("Deployment")[name]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert of("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    served = [one for one in of("Service").values() if one["spec"]["selector"].items() <= labels.items()]
    assert len(served) == (0 if name == "scanner-worker" else 1)


@every_deployment
def test_the_drain_has_time(name: str) -> None:
    drain = runtime._WORKERS_SECONDS + runtime._CONSUMERS_SECONDS + runtime._REQUESTS_SECONDS + runtime._FLUSH_SECONDS
    pod = of("Deployment")[name]["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > drain + pause


def test_gateways_share_the_limits_among_as_many_as_there_are() -> None:
    replicas = of("Deployment")["gateway"]["spec"]["replicas"]
    assert containers()["kubernetes-gateway"].environment["CL_GATEWAY_REPLICAS"] == str(replicas)


def test_secrets_are_referred_to_and_never_written_down() -> None:
    assert of("Secret") == {}
    literal = [
        part
        for part in walk(BASE_RESOURCES)
        if "value" in part and re.search("SECRET|PASSWORD$|KEY$", str(part["name"]))
    ]
    assert literal == []


@every_deployment
def test_a_process_has_its_own_database_login_alone(name: str) -> None:
    used = {
        (part["secretKeyRef"]["name"], part["secretKeyRef"]["key"])
        for part in walk(of("Deployment")[name])
        if "secretKeyRef" in part and "database" in part["secretKeyRef"]["name"]
    }
    service = name.removesuffix("-api").removesuffix("-worker")
    assert used == (set() if service == "gateway" else {("compliancelayer-database", service)})


@pytest.mark.parametrize(("file", "owner"), PRIVATE.items())
def test_a_private_key_is_mounted_by_whom_it_belongs_to(file: str, owner: str) -> None:
    holders = {
        one.name
        for form, one in containers().items()
        if form.startswith("kubernetes-") and any(file in mount.files for mount in one.mounts.values())
    }
    assert holders == {owner}


def test_a_required_secret_that_is_missing_is_noticed() -> None:
    secrets = filled_secrets()
    del secrets["compliancelayer-keys"]["jwt.pem"]
    with pytest.raises(WrongManifest, match=r"compliancelayer-keys has no jwt\.pem"):
        kubernetes.deployment(BASE_RESOURCES, secrets)


# -- who reaches what ------------------------------------------------------------------------------------------------


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(term["key"]) in term["values"] for term in selector.get("matchExpressions", ())
    )


def rules(direction: str, name: str) -> list[dict[str, Any]]:
    """The rules for the pods of a workload."""
    workload = (of("Deployment") | of("Job"))[name]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    return [
        rule
        for policy in of("NetworkPolicy").values()
        if selects(policy["spec"]["podSelector"], labels)
        for rule in policy["spec"].get(direction, ())
    ]


def peers(direction: str, name: str) -> set[str]:
    """The workloads, and the roles of namespaces, at the other end."""
    found = set()
    for rule in rules(direction, name):
        for peer in rule["to" if direction == "egress" else "from"]:
            if "ipBlock" in peer:
                found.add("internet")
            elif "namespaceSelector" in peer:
                labels = peer["namespaceSelector"]["matchLabels"]
                found.add(labels.get("compliancelayer/role", "names"))
            else:
                found |= {
                    other
                    for other, one in of("Deployment").items()
                    if selects(peer["podSelector"], one["spec"]["template"]["metadata"]["labels"])
                }
    return found


def test_nothing_is_open_unless_it_is_said() -> None:
    spec = of("NetworkPolicy")["default-deny"]["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@every_deployment
def test_who_reaches_a_pod(name: str) -> None:
    expected = {"gateway": {"ingress", "monitoring"}, "scanner-worker": {"monitoring"}}
    assert peers("ingress", name) == expected.get(name, {"gateway", "monitoring"})


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS | {"migration"}))
def test_whom_a_pod_reaches(name: str) -> None:
    inside = {"names", "data"}
    expected = {
        "gateway": inside | (DEPLOYMENTS - {"gateway", "scanner-worker"}),
        "scanner-worker": inside | {"internet"},
        "monitor": inside | {"internet"},
        "billing": inside | {"internet"},
    }
    assert peers("egress", name) == expected.get(name, inside)


def test_billing_reaches_the_internet_by_https_alone() -> None:
    open_rules = [rule for rule in rules("egress", "billing") if "ipBlock" in rule["to"][0]]
    assert [rule["ports"] for rule in open_rules] == [[{"port": 443}]]


@pytest.mark.parametrize("name", ["scanner-worker", "monitor", "billing"])
@pytest.mark.parametrize("address", NOT_THE_INTERNET)
def test_the_internet_is_no_private_network(name: str, address: str) -> None:
    blocks = [peer["ipBlock"] for rule in rules("egress", name) for peer in rule["to"] if "ipBlock" in peer]
    assert not any(
        ip_address(address) in ip_network(block["cidr"])
        and not any(ip_address(address) in ip_network(without) for without in block["except"])
        for block in blocks
    )


def test_the_policy_closes_what_the_door_refuses() -> None:
    """Else the cluster would drop what a scan may reach."""
    door = Egress(allow=(), deny=(), resolver=system_resolver, port_map={}, own=frozenset())
    for part in walk(of("NetworkPolicy")):
        for network in part.get("except", ()):
            with pytest.raises(Refused):
                door.vet(str(ip_network(network)[0]))


# -- compose ---------------------------------------------------------------------------------------------------------


def test_no_password_has_a_default() -> None:
    text = COMPOSE.read_text()
    assert PASSWORDS.keys() >= {"POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "AUTH_PASSWORD"}
    for name in PASSWORDS:
        assert set(re.findall(rf"\$\{{{name}([^}}]*)\}}", text)) == {":?"}
        with pytest.raises(WrongManifest, match=name):
            compose.deployment(COMPOSE, PASSWORDS | {name: ""})


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_compose_service_is_confined_checked_and_waits(name: str) -> None:
    service = compose.read(COMPOSE, PASSWORDS)["services"][name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/readyz" in " ".join(service["healthcheck"]["test"])
    needs = {other: how["condition"] for other, how in service["depends_on"].items()}
    assert needs["migrate"] == "service_completed_successfully"
    assert {needs["rabbitmq"], needs["redis"]} == {"service_healthy"}
    outside = {"gateway", "billing", "scanner", "monitor"}
    assert ("outside" in service["networks"]) == (name in outside)


def test_only_the_gateway_is_published_and_to_this_machine() -> None:
    project = compose.read(COMPOSE, PASSWORDS)
    published = {name: one["ports"] for name, one in project["services"].items() if "ports" in one}
    assert published == {"gateway": ["127.0.0.1:8080:8080"]}
    assert project["networks"]["inside"] == {"internal": True}
