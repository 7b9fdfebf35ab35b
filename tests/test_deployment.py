"""compose.yaml, the requirements and the documents name what really exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

BASE = Path(__file__).resolve().parent.parent
SETTINGS = (BASE / "ade" / "settings.py").read_text()
README = (BASE / "README.md").read_text()
GUIDE = (BASE / "docs" / "deployment.md").read_text()
OURS = ("migrate", "web", "worker-1", "worker-2")
SECRETS = ("POSTGRES_PASSWORD", "ADE_SECRET_KEY", "ADE_ENCRYPTION_KEY", "ADE_ADMIN_PASSWORD")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BASE / "compose.yaml").read_text())["services"]
    return found


def variables(text: str) -> set[str]:
    """The environment variables that the settings read."""
    return set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', text))


def test_everything_that_several_machines_need_is_there(services: dict[str, Any]) -> None:
    assert set(services) == {"postgres", "valkey", *OURS}
    assert services["web"]["environment"]["ADE_WORKER"] == "off"
    for worker in ("worker-1", "worker-2"):
        assert services[worker]["command"] == ["python", "manage.py", "worker"]
        assert "ADE_WORKER" not in services[worker]["environment"]


@pytest.mark.parametrize("name", ["postgres", "valkey", "web", "worker-1", "worker-2"])
def test_each_of_them_has_a_health_check(name: str, services: dict[str, Any]) -> None:
    assert services[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", ["web", "worker-1", "worker-2"])
def test_nobody_starts_before_the_tables_are_there(name: str, services: dict[str, Any]) -> None:
    conditions = {other: need["condition"] for other, need in services[name]["depends_on"].items()}
    assert conditions == {
        "postgres": "service_healthy",
        "valkey": "service_healthy",
        "migrate": "service_completed_successfully",
    }
    assert services["migrate"]["restart"] == "no"


@pytest.mark.parametrize("name", OURS)
def test_processes_are_given_only_variables_that_the_settings_read(name: str, services: dict[str, Any]) -> None:
    assert set(services[name]["environment"]) <= variables(SETTINGS)


@pytest.mark.parametrize("name", OURS)
def test_all_processes_share_secrets_and_services(name: str, services: dict[str, Any]) -> None:
    given = services[name]["environment"]
    shared = ("ADE_SECRET_KEY", "ADE_ENCRYPTION_KEY", "DATABASE_URL", "REDIS_URL")
    assert [given[key] for key in shared] == [services["web"]["environment"][key] for key in shared]


@pytest.mark.parametrize("name", SECRETS)
def test_without_its_secrets_it_refuses_to_start_and_says_what_to_set(name: str) -> None:
    text = (BASE / "compose.yaml").read_text()
    uses = re.findall(r"\$\{" + name + r"([^}]*)\}", text)
    assert uses and all(use.startswith(f":?Set {name} in .env") for use in uses)
    assert f"{name}=" in GUIDE


def test_a_worker_has_longer_to_stop_than_it_lets_runs_finish(services: dict[str, Any]) -> None:
    grace = int(re.findall(r":-(\d+)", services["worker-1"]["environment"]["ADE_GRACE_SECONDS"])[0])
    assert int(services["worker-1"]["stop_grace_period"].rstrip("s")) > grace + 5


def test_the_health_checks_ask_where_somebody_answers(services: dict[str, Any]) -> None:
    port = services["worker-1"]["environment"]["ADE_METRICS_PORT"]
    assert f"http://127.0.0.1:{port}/ready" in services["worker-1"]["healthcheck"]["test"][-1]
    assert "http://127.0.0.1:8283/v1/health/ready" in services["web"]["healthcheck"]["test"][-1]
    assert "127.0.0.1" in services["web"]["environment"]["ADE_ALLOWED_HOSTS"].split(",")


@pytest.mark.parametrize("name", ["worker-1", "worker-2"])
def test_tools_of_a_worker_reach_the_api_of_the_web_server(name: str, services: dict[str, Any]) -> None:
    url = services[name]["environment"]["ADE_API_URL"]
    assert url == "http://web:8283"
    assert "web" in services["web"]["environment"]["ADE_ALLOWED_HOSTS"].split(",")


def test_the_readme_lists_every_variable_and_no_other() -> None:
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))
    assert listed == variables(SETTINGS) | {"ADE_SECRET_KEY", "ADE_ENCRYPTION_KEY"}


def test_the_guide_names_only_numbers_that_exist() -> None:
    sources = "".join(path.read_text() for path in (*BASE.glob("runs/*.py"), *BASE.glob("ade/*.py")))
    defined = set(re.findall(r'"(tandem_[a-z_]+)"', sources))
    named = {name.removesuffix("_total") for name in re.findall(r"`?(tandem_[a-z_]+)", GUIDE)}
    assert named and named <= defined


def test_the_exporter_of_traces_is_not_part_of_the_plain_installation() -> None:
    assert "opentelemetry" not in (BASE / "requirements.txt").read_text()
    assert "opentelemetry-sdk" in (BASE / "requirements-otel.txt").read_text()
