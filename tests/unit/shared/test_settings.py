"""Settings: what is accepted, and the sentence for what is not."""

from pathlib import Path
from typing import Any

import pytest

from services.__main__ import fleet
from shared.settings import FleetSettings, ServiceSettings, SettingError, load, unknown, variable

PRODUCTION = {"CL_ENVIRONMENT": "production", "CL_DEFAULT_PLAN": "free"}


def every_setting() -> dict[str, Any]:
    """Variable -> default, of all services and the process."""
    kinds = [FleetSettings, *(service.settings for service in fleet())]
    return {variable(name): field.default for kind in kinds for name, field in kind.model_fields.items()}


def test_env_example_has_every_setting_with_its_default() -> None:
    lines = Path(".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert sorted(example) == sorted(every_setting())
    for kind in [FleetSettings, *(service.settings for service in fleet())]:
        assert load(kind, example) == load(kind, {})


def test_every_setting_says_what_it_is_for() -> None:
    for kind in [FleetSettings, *(service.settings for service in fleet())]:
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name}"


def test_values_come_from_the_environment_and_given_ones_win() -> None:
    environ = {"CL_PORT": "9000", "CL_EGRESS_ALLOW": "127.0.0.0/8, ::1/128", "CL_SCAN_PORT_MAP": "443=8443,53=5353"}
    settings = load(FleetSettings, environ, host="0.0.0.0", auth_url="of no interest to this class")
    assert (settings.port, settings.host) == (9000, "0.0.0.0")
    assert [str(network) for network in settings.egress_allow] == ["127.0.0.0/8", "::1/128"]
    assert settings.scan_port_map == {443: 8443, 53: 5353}


def test_an_empty_variable_counts_as_unset() -> None:
    assert load(FleetSettings, {"CL_PORT": "", "CL_DATABASE_URL": " "}) == load(FleetSettings, {})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CL_PORT", "eighty", ("'eighty'", "port to listen on", "unset it for 8080")),
        ("CL_PORT", "70000", ("'70000'", "65535")),
        ("CL_BUS_URL", "kafka://x", ("'kafka://x'", "amqp://")),
        ("CL_CACHE_URL", "memcached:", ("'memcached:'", "redis://host:6379/0")),
        ("CL_EGRESS_ALLOW", "10.0.0.0/99", ("10.0.0.0/99", "networks")),
        ("CL_SCAN_PORT_MAP", "443", ("443", "port=port")),
        ("CL_SCAN_PORT_MAP", "443=no", ("443=no", "port=port")),
        ("CL_ENVIRONMENT", "prod", ("'prod'", "`production`")),
        ("CL_PUBLIC_URL", "example.com", ("'example.com'", "https://api.example.com")),
        ("CL_DATABASE_URL", "mysql://u:secret@h/d", ("mysql://u:***@h/d", "postgresql://")),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(name: str, value: str, words: tuple[str, ...]) -> None:
    with pytest.raises(SettingError) as refusal:
        load(FleetSettings, {name: value})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{name}: ")
    assert "Set it to " in sentence
    for word in words:
        assert word in sentence


def test_no_secret_is_repeated() -> None:
    for name, value in (("CL_DATABASE_URL", "mysql://u:hunter2@h"), ("CL_BUS_URL", "http://guest:hunter2@h")):
        with pytest.raises(SettingError) as refusal:
            load(FleetSettings, {name: value})
        assert "hunter2" not in str(refusal.value)


def test_production_wants_a_plan_and_takes_no_test_settings() -> None:
    assert load(FleetSettings, PRODUCTION).production
    for changes, name in (
        ({"CL_DEFAULT_PLAN": ""}, "CL_DEFAULT_PLAN"),
        ({"CL_FAULT": "here:1:kill"}, "CL_FAULT"),
        ({"CL_TEST_BUS_URL": "amqp://h"}, "CL_TEST_BUS_URL"),
    ):
        with pytest.raises(SettingError, match=name):
            load(FleetSettings, PRODUCTION | changes)


def test_the_plan_of_new_accounts_follows_from_stripe() -> None:
    assert load(ServiceSettings, {}).plan_of_new_accounts == "agency"
    assert load(ServiceSettings, {"CL_STRIPE_SECRET_KEY": "sk_test_1"}).plan_of_new_accounts == "free"
    assert load(ServiceSettings, {"CL_DEFAULT_PLAN": "starter"}).plan_of_new_accounts == "starter"


def test_an_unknown_variable_is_answered_with_the_nearest_name() -> None:
    environ = {"CL_PROT": "1", "CL_QQQQ": "1", "CL_PORT": "1", "HOME": "/"}
    assert unknown(environ, [FleetSettings]) == [
        "CL_PROT is not a setting: did you mean CL_PORT?",
        "CL_QQQQ is not a setting: unset it.",
    ]
