"""What registries with a name of their own want: how repositories are called there, who logs in how, who makes a repository.

Sources: https://docs.docker.com/docker-hub/repos/, https://docs.github.com/packages (container registry),
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html, https://cloud.google.com/artifact-registry/docs/docker/authentication,
https://learn.microsoft.com/azure/container-registry/container-registry-authentication, https://docs.gitlab.com/user/packages/container_registry/,
https://goharbor.io/docs/ (working with projects). No library of any of them is needed: all speak the distribution API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HUB = "docker.io"
HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})

ANY_USER = "token"
"""Goes with a token that was given without a user's name: who takes a token as password takes any name with it."""

_PASSWORD = "agent login {registry} -u USER"  # noqa: S105  # a command, not a password


@dataclass(frozen=True)
class Kind:
    """One service. ``shape`` is how a repository is called there, of ``parts`` names at least; "" when any name will do.

    ``fixed_user`` is what everybody is called there, where the password alone tells them apart. ``login`` and ``make`` are
    commands or advice in which ``{registry}``, ``{repository}`` and the names that ``host`` captures are filled in.
    """

    name: str
    host: str
    shape: str = ""
    parts: int = 1
    fixed_user: str = ""
    login: str = _PASSWORD
    make: str = "does it exist there? Harbor and others want the project made before the first push (PROJECT/NAME)"


_KINDS = (
    Kind(
        "Docker Hub", r"(?:index\.|registry-1\.)?docker\.io", "USER/NAME", 2,
        login="agent login docker.io -u USER, with an access token of app.docker.com/settings as password",
        make="is USER the account that you are logged in with, or an organisation of it?",
    ),
    Kind(
        "GitHub", r"ghcr\.io", "OWNER/NAME", 2,
        login="agent login ghcr.io -u USER, with a classic token that has write:packages as password "
        "(in Actions: GITHUB_TOKEN, and `permissions: packages: write`)",
        make="OWNER is a user or organisation in lower case",
    ),
    Kind(
        "Amazon ECR", r"(?P<account>\d{12})\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?",
        fixed_user="AWS",
        login="aws ecr get-login-password --region {region} | agent login {registry} --password-stdin "
        "(holds for 12 hours; docker-credential-ecr-login in credHelpers does it by itself)",
        make="aws ecr create-repository --region {region} --repository-name {repository}",
    ),
    Kind(
        "Amazon ECR Public", r"public\.ecr\.aws", "ALIAS/NAME", 2, fixed_user="AWS",
        login="aws ecr-public get-login-password --region us-east-1 | agent login {registry} --password-stdin",
        make="aws ecr-public create-repository --region us-east-1 --repository-name NAME",
    ),
    Kind(
        "Google Artifact Registry", r"(?P<region>[a-z0-9-]+)-docker\.pkg\.dev", "PROJECT/REPOSITORY/NAME", 3,
        fixed_user="oauth2accesstoken",
        login="gcloud auth print-access-token | agent login {registry} --password-stdin (holds for an hour; "
        "`gcloud auth configure-docker {registry}` does it by itself)",
        make="gcloud artifacts repositories create REPOSITORY --repository-format=docker --location={region} --project=PROJECT",
    ),
    Kind(
        "Google Container Registry", r"(?:[a-z]+\.)?gcr\.io", "PROJECT/NAME", 2, fixed_user="oauth2accesstoken",
        login="gcloud auth print-access-token | agent login {registry} --password-stdin (holds for an hour; "
        "`gcloud auth configure-docker` does it by itself)",
        make="is the project's name right, and is Artifact Registry on in it?",
    ),
    Kind(
        "Azure Container Registry", r"(?P<account>[a-z0-9-]+)\.azurecr\.(?:io|cn|us)",
        fixed_user="00000000-0000-0000-0000-000000000000",
        login="az acr login --name {account} --expose-token --query accessToken -o tsv | agent login {registry} --password-stdin "
        "(holds for 3 hours)",
        make="is the registry's name right?",
    ),
    Kind(
        "GitLab", r"registry\.gitlab\.com", "GROUP/PROJECT", 2,
        login="agent login {registry} -u USER, with a token that has write_registry as password (in CI: $CI_REGISTRY_USER and "
        "$CI_REGISTRY_PASSWORD)",
        make="the project must exist, with its container registry on",
    ),
    Kind(
        "Quay", r"quay\.io", "USER/NAME", 2,
        login="agent login quay.io -u USER, with a robot account's token as password",
        make="make it at quay.io/new, or let the robot account create repositories",
    ),
)  # fmt: skip
_OTHER = Kind("registry", r".*")


def kind_of(registry: str) -> Kind:
    """The service behind a host's name; one without rules for hosts that nobody knows (Harbor, zot, a company's own)."""
    return next((kind for kind in _KINDS if re.fullmatch(kind.host, registry)), _OTHER)


def login_command(registry: str) -> str:
    """What a person types to log in."""
    return _filled(kind_of(registry).login, registry, "REPOSITORY")


def making(registry: str, repository: str) -> str:
    """What helps when the registry has no such repository."""
    return _filled(kind_of(registry).make, registry, repository)


def advice(registry: str, repository: str, status: int, said: str, wait: str) -> str:
    """What a person can do about an answer of ``status``; ``said`` is the registry's reason, ``wait`` its Retry-After."""
    if status >= 500:
        return "the registry has trouble of its own: its log says which; try again later"
    if status == 429:
        until = f" and wants to be left alone for {wait} s" if wait else ""
        return f"it limits how often it is asked{until}: log in, or try again later"
    if status == 413:
        return "something in front of it takes no request of this size (nginx: client_max_body_size); its operator can raise that"
    if any(word in said.lower() for word in ("immutable", "already exists", "overwrit")):
        return "tags can't be moved there: raise metadata.version, or write another tag into image.tags"
    return making(registry, repository) if status == 404 else ""


def name_problem(registry: str, repository: str) -> str:
    """Why a push to that name can't succeed, "" when nothing speaks against it: the service would refuse it, less clearly."""
    kind = kind_of(registry)
    parts = repository.split("/")
    if len(parts) >= kind.parts and not (registry in HUB_NAMES and parts[0] == "library"):
        return ""
    return f"{kind.name} has no place for {repository!r}; a repository is called {kind.shape} there"


def _filled(text: str, registry: str, repository: str) -> str:
    found = re.fullmatch(kind_of(registry).host, registry)
    return text.format(registry=registry, repository=repository, **(found.groupdict() if found else {}))
