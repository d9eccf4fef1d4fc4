"""What is said of registries that have rules of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_servers import Answer, http_server
from registry_workbench import bench, image

from aac_plugins.oci.credentials import find_credentials
from aac_plugins.oci.endpoint import find_endpoint, parse_reference
from aac_plugins.oci.known import login_command, making, name_problem
from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.errors import StepError

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
GAR = "europe-west3-docker.pkg.dev"


@pytest.mark.parametrize(
    ("registry", "repository", "shape"),
    [
        ("docker.io", "library/hello", "USER/NAME"),
        ("ghcr.io", "hello", "OWNER/NAME"),
        ("public.ecr.aws", "hello", "ALIAS/NAME"),
        (GAR, "project/hello", "PROJECT/REPOSITORY/NAME"),
        ("eu.gcr.io", "hello", "PROJECT/NAME"),
        ("registry.gitlab.com", "hello", "GROUP/PROJECT"),
        ("quay.io", "hello", "USER/NAME"),
    ],
)
def test_a_name_that_the_service_has_no_place_for_is_refused_before_anything_is_sent(
    tmp_path: Path, registry: str, repository: str, shape: str
) -> None:
    at = bench(tmp_path, offline=True)  # nothing could be sent
    with pytest.raises(StepError, match=f"has no place for '{repository}'; a repository is called {shape} there"):
        DistributionRegistry().push(image(at), f"{registry}/{repository}:1", at.tools)


@pytest.mark.parametrize(
    "reference",
    [
        "ada/hello", "ghcr.io/ada/hello", f"{ECR}/hello", f"{GAR}/project/agents/hello", "gcr.io/project/hello",
        "mine.azurecr.io/hello", "registry.gitlab.com/group/project", "harbor.example/project/hello", "localhost:5000/hello",
    ],
)  # fmt: skip
def test_names_as_each_service_has_them_are_taken(reference: str) -> None:
    ref = parse_reference(reference)
    assert name_problem(ref.registry, ref.repository) == ""


@pytest.mark.parametrize("name", ["hello", "docker.io/hello", "index.docker.io/hello", "registry-1.docker.io/library/hello"])
def test_docker_hub_is_one_registry_under_each_of_its_names(tmp_path: Path, name: str) -> None:
    ref = parse_reference(f"{name}:1")
    assert str(ref) == "docker.io/library/hello:1"
    assert find_endpoint(ref.registry, bench(tmp_path).tools).url == "https://registry-1.docker.io"


@pytest.mark.parametrize(
    ("registry", "said"),
    [
        (ECR, f"aws ecr get-login-password --region eu-central-1 | agent login {ECR} --password-stdin"),
        (GAR, f"gcloud auth print-access-token | agent login {GAR} --password-stdin"),
        ("mine.azurecr.io", "az acr login --name mine --expose-token"),
        ("ghcr.io", "write:packages"),
        ("docker.io", "agent login docker.io -u USER, with an access token"),
        ("harbor.example:8443", "agent login harbor.example:8443 -u USER"),
    ],
)
def test_how_one_logs_in_is_said_as_the_service_has_it(registry: str, said: str) -> None:
    assert said in login_command(registry)


def test_who_makes_a_repository_is_said_as_the_service_has_it() -> None:
    assert making(ECR, "team/hello") == "aws ecr create-repository --region eu-central-1 --repository-name team/hello"
    assert "--location=europe-west3" in making(GAR, "p/r/n")
    assert "PROJECT/NAME" in making("harbor.example", "hello")


@pytest.mark.parametrize(
    ("registry", "user"), [(ECR, "AWS"), (GAR, "oauth2accesstoken"), ("x.azurecr.io", "0" * 8 + "-0000-0000-0000-" + "0" * 12)]
)
def test_a_token_without_a_user_goes_with_the_user_that_the_service_wants(tmp_path: Path, registry: str, user: str) -> None:
    at = bench(tmp_path, {"AGENT_REGISTRY_URL": f"https://{registry}/team", "AGENT_REGISTRY_TOKEN": "t0ken"})
    found = find_credentials(registry, "x", at.tools)
    assert found is not None and (found.user, found.password) == (user, "t0ken")
    assert find_credentials(f"evil-{registry}", "x", at.tools) is None


def test_an_address_with_http_is_leave_to_speak_it(tmp_path: Path) -> None:
    with http_server(lambda _: Answer(404)) as proxy:
        at = bench(tmp_path, {"AGENT_REGISTRY_URL": "http://registry.example/team", "http_proxy": proxy.url})
        assert DistributionRegistry().resolve("registry.example/x:1", at.tools) is None
    assert find_endpoint("registry.example.evil", at.tools).url == "https://registry.example.evil"
