"""Tokens and passwords: who gets which, how often, and who never does."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from http_servers import Answer, Seen, Server, http_server
from real_registry import registry_server
from registry_front import front
from registry_workbench import AMD64, Bench, bench, configure, image, log_in

from aac_plugins.oci.auth import parse_challenges
from aac_plugins.oci.credentials import find_credentials
from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.errors import StepError

USER, PASSWORD = "ada", "correct-horse"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def here(tmp_path: Path) -> Bench:
    return bench(tmp_path / "here")


Guarded = Iterator[tuple[Server, Server]]


class Tokens:
    """A token service: gives a new token for each request, with the scope that was asked for."""

    def __init__(self, *, lives: int = 300, allowed: str = BASIC) -> None:
        self.lives = lives
        self.allowed = allowed
        self.given: dict[str, str] = {}

    def __call__(self, seen: Seen) -> Answer:
        form = parse_qs(seen.body.decode()) if seen.method == "POST" else parse_qs(urlsplit(seen.path).query)
        known = form.get("refresh_token", [""])[0] == "long-lived" or seen.headers.get("authorization") == self.allowed
        if self.allowed and not known:
            return Answer(401)
        token = f"token-{len(self.given)}"
        self.given[token] = " ".join(form["scope"])
        return Answer(200, json.dumps({"token": token, "expires_in": self.lives}).encode())


@contextlib.contextmanager
def guarded(real: str, tokens: Tokens, accepted: Callable[[str], bool] = bool) -> Iterator[tuple[Server, Server]]:
    """A registry that wants tokens, and its token service."""

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if token in tokens.given and accepted(token):
            del seen.headers["authorization"]
            return answer()
        challenge = f'Bearer realm="{service.url}/token",service="tests",scope="repository:other/secret:*"'
        return Answer(401, b"", {"WWW-Authenticate": challenge})

    with http_server(tokens) as service, front(real, fault) as registry:
        yield registry, service


def test_a_push_asks_for_one_token_with_the_scope_it_needs(here: Bench, real: str) -> None:
    tokens = Tokens()
    with guarded(real, tokens) as (registry, service):
        log_in(here, registry.address, USER, PASSWORD)
        made = image(here, "with a token")
        DistributionRegistry().push(made, f"{registry.address}/team/one:1", here.tools)
    assert list(tokens.given.values()) == ["repository:team/one:pull,push"]
    assert service.seen[0].headers["authorization"] == BASIC
    assert parse_qs(urlsplit(service.seen[0].path).query)["service"] == ["tests"]
    assert all(seen.headers.get("authorization") != BASIC for seen in registry.seen)


def test_an_anonymous_user_gets_a_token_without_a_password(here: Bench, real: str, tmp_path: Path) -> None:
    DistributionRegistry().push(image(here, "public"), f"{real}/public:1", here.tools)
    with guarded(real, Tokens(allowed="")) as (registry, service):
        DistributionRegistry().pull(f"{registry.address}/public:1", AMD64, bench(tmp_path / "there").tools)
    assert len(service.seen) == 1
    assert "authorization" not in service.seen[0].headers


def test_a_token_that_is_no_longer_accepted_is_replaced(here: Bench, real: str) -> None:
    uses = {"token-0": 3}

    def accepted(token: str) -> bool:
        uses[token] = uses.get(token, 1000) - 1
        return uses[token] >= 0

    tokens = Tokens()
    with guarded(real, tokens, accepted) as (registry, _):
        log_in(here, registry.address, USER, PASSWORD)
        DistributionRegistry().push(image(here, "expiring"), f"{registry.address}/expiring:1", here.tools)
    assert list(tokens.given) == ["token-0", "token-1"]


def test_an_identity_token_is_traded_for_an_access_token(here: Bench, real: str) -> None:
    with guarded(real, Tokens()) as (registry, service):
        configure(here, {"auths": {registry.address: {"identitytoken": "long-lived"}}})
        DistributionRegistry().push(image(here, "identity"), f"{registry.address}/identity:1", here.tools)
    assert service.seen[0].method == "POST"
    form = parse_qs(service.seen[0].body.decode())
    assert form["grant_type"] == ["refresh_token"] and form["refresh_token"] == ["long-lived"]


def test_a_refused_login_says_which_and_never_shows_it(here: Bench, real: str) -> None:
    with guarded(real, Tokens()) as (registry, service):
        log_in(here, registry.address, USER, "not-the-password")
        with pytest.raises(StepError) as caught:
            DistributionRegistry().push(image(here), f"{registry.address}/x:1", here.tools)
        assert f"{service.address} refuses the login kept for it" in str(caught.value)
    assert f"agent login {registry.address} -u USER" in str(caught.value)
    assert "not-the-password" not in str(caught.value)


@pytest.mark.parametrize("realm", ["http://tokens.example/token", "http://127.0.0.1:1/token", "file:///etc/passwd", "/token"])
def test_a_registry_elsewhere_cannot_have_passwords_sent_unencrypted(tmp_path: Path, realm: str) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
    with http_server(lambda _: Answer(401, b"", challenge)) as proxy:
        environment = {"AAC_INSECURE_REGISTRIES": "registry.example", "http_proxy": proxy.url}
        at = bench(tmp_path, environment)
        log_in(at, "registry.example", USER, PASSWORD)
        with pytest.raises(StepError, match="which is not https; no credentials were sent"):
            DistributionRegistry().resolve("registry.example/x:1", at.tools)
    assert [urlsplit(seen.path).hostname for seen in proxy.seen] == ["registry.example"]
    assert "authorization" not in proxy.seen[0].headers


def test_a_registry_elsewhere_is_asked_with_tls_unless_it_is_listed(tmp_path: Path) -> None:
    with http_server(lambda _: Answer(404)) as proxy:
        at = bench(tmp_path, {"https_proxy": proxy.url, "http_proxy": proxy.url})
        with pytest.raises(StepError, match=r"HEAD https://registry\.example/"):
            DistributionRegistry().resolve("registry.example/x:1", at.tools)
        listed = bench(tmp_path, {**at.environment, "AAC_INSECURE_REGISTRIES": "a.example, registry.example"})
        assert DistributionRegistry().resolve("registry.example/x:1", listed.tools) is None
    *tunnels, plain = [f"{seen.method} {seen.path}" for seen in proxy.seen]
    assert set(tunnels) == {"CONNECT registry.example:443"}
    assert plain == "HEAD http://registry.example/v2/x/manifests/1"


def test_a_token_service_that_answers_without_a_token_is_told(here: Bench, real: str) -> None:
    with (
        http_server(lambda _: Answer(200, b'{"token": ""}')) as service,
        front(real, lambda *_: Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{service.url}"'})) as registry,
        pytest.raises(StepError, match="answered without a token"),
    ):
        DistributionRegistry().resolve(f"{registry.address}/x:1", here.tools)


# the file and the header


def entry(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("key", ["ghcr.io", "https://ghcr.io", "https://ghcr.io/v2/", "ghcr.io/team", "ghcr.io/team/app"])
def test_the_keys_that_people_have_in_dockers_file_are_found(here: Bench, key: str) -> None:
    configure(here, {"auths": {"other.io": entry("x", "y"), key: entry(USER, PASSWORD)}})
    found = find_credentials("ghcr.io", "team/app", here.tools)
    assert found is not None and (found.user, found.password) == (USER, PASSWORD)


def test_the_longest_key_wins_and_other_repositories_do_not_get_it(here: Bench) -> None:
    configure(here, {"auths": {"ghcr.io": entry("all", "a"), "ghcr.io/team": entry("team", "t")}})
    users = [find_credentials("ghcr.io", name, here.tools) for name in ("team/app", "teams/app")]
    assert [u.user for u in users if u is not None] == ["team", "all"]


def test_docker_hub_is_found_under_its_old_name(here: Bench) -> None:
    configure(here, {"auths": {"https://index.docker.io/v1/": entry(USER, PASSWORD)}})
    found = find_credentials("docker.io", "library/python", here.tools)
    assert found is not None and found.user == USER


def test_another_port_is_another_registry(here: Bench) -> None:
    configure(here, {"auths": {"localhost:5000": entry(USER, PASSWORD)}})
    assert find_credentials("localhost:5001", "x", here.tools) is None
    assert find_credentials("localhost", "x", here.tools) is None


def test_the_folder_of_docker_config_is_used(tmp_path: Path) -> None:
    at = bench(tmp_path)
    configure(at, {"auths": {"ghcr.io": entry(USER, PASSWORD)}})
    moved = bench(tmp_path / "other", {"DOCKER_CONFIG": f"{at.environment['HOME']}/.docker"})
    assert find_credentials("ghcr.io", "x", moved.tools) is not None


def test_podmans_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {"quay.io": entry(USER, PASSWORD)}}))
    at = bench(tmp_path, {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})
    assert find_credentials("quay.io", "x", at.tools) is not None


def test_a_broken_file_is_named_and_not_quoted(here: Bench) -> None:
    configure(here, {})
    Path(here.environment["HOME"], ".docker", "config.json").write_text('{"auths": {"x": {"auth": "c2VjcmV0"}}')
    with pytest.raises(StepError, match="credentials can't be read: it is no JSON") as caught:
        find_credentials("x", "y", here.tools)
    assert "c2VjcmV0" not in str(caught.value) and caught.value.__cause__ is None


def test_a_login_that_is_not_base64_is_named_and_not_quoted(here: Bench) -> None:
    configure(here, {"auths": {"ghcr.io": {"auth": "n0t-base64!"}}})
    with pytest.raises(StepError, match=r"the login kept for ghcr\.io can't be read") as caught:
        find_credentials("ghcr.io", "x", here.tools)
    assert "n0t-base64" not in str(caught.value)


def test_a_default_helper_that_is_not_installed_leaves_an_anonymous_user(here: Bench) -> None:
    configure(here, {"credsStore": "desktop-that-is-gone"})
    assert find_credentials("ghcr.io", "x", here.tools) is None


def test_a_helper_for_this_registry_that_is_not_installed_is_named(here: Bench) -> None:
    configure(here, {"credHelpers": {"ghcr.io": "gone"}})
    with pytest.raises(StepError, match="docker-credential-gone"):
        find_credentials("ghcr.io", "x", here.tools)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="a b"', [("basic", {"realm": "a b"})]),
        ("Bearer realm=https://x/t,service=y", [("bearer", {"realm": "https://x/t", "service": "y"})]),
        (
            'Bearer realm="https://x/t",scope="repository:a:pull,push" , Basic realm="say \\"hi\\""',
            [
                ("bearer", {"realm": "https://x/t", "scope": "repository:a:pull,push"}),
                ("basic", {"realm": 'say "hi"'}),
            ],
        ),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("", []),
        ('"', []),
    ],
)
def test_challenges_are_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert [(c.scheme, dict(c.parameters)) for c in parse_challenges(header)] == expected
