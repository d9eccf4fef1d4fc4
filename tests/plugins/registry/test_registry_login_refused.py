"""Logins that can't be: certificates that are not trusted, servers that are none, command lines without meaning."""

from __future__ import annotations

from pathlib import Path

import pytest
from http_servers import Answer, http_server
from own_ca import make_ca, make_certificate
from real_registry import free_port, registry_server
from registry_user import ADA, PASSWORD, User


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "ada")


def test_a_certificate_of_an_unknown_authority_is_told_with_what_to_set(user: User, tmp_path: Path) -> None:
    ca = make_ca(tmp_path / "ca")
    with registry_server(tmp_path / "tls", {ADA: PASSWORD}, tls=make_certificate(ca, "registry", "IP:127.0.0.1")) as address:
        said = user.log_in(address)
        assert said.code == 1
        assert "the certificate is not trusted: unable to get local issuer certificate" in said.err
        assert "SSL_CERT_FILE or AAC_CA_FILE" in said.err
        user.environment["AAC_CA_FILE"] = str(ca)
        assert user.log_in(address).code == 0


def test_a_certificate_for_another_name_says_so(user: User, tmp_path: Path) -> None:
    ca = make_ca(tmp_path / "ca")
    user.environment["AAC_CA_FILE"] = str(ca)
    with registry_server(tmp_path / "tls", tls=make_certificate(ca, "registry", "DNS:registry.example")) as address:
        said = user.log_in(address)
    assert "IP address mismatch" in said.err and "by the name that its certificate is for" in said.err


def test_a_login_without_network_says_what_would_be_needed(user: User) -> None:
    said = user.agent("login", "ghcr.io", "-u", ADA, "--password-stdin", "--offline", stdin="x")
    assert said.code == 1 and "offline: GET https://ghcr.io/v2/ would be needed" in said.err


def test_an_address_where_nobody_listens_is_named(user: User) -> None:
    port = free_port()
    said = user.log_in(f"127.0.0.1:{port}")
    assert said.code == 1 and f"127.0.0.1:{port} refuses connections" in said.err


@pytest.mark.parametrize(
    ("words", "stdin", "message"),
    [
        (("ghcr.io", "--password-stdin"), "x", "ghcr.io: whose password? say -u USER, or --token-stdin for a token alone"),
        (("ghcr.io", "-u", "a", "--password-stdin"), "", "standard input is empty; expected the password or token"),
        (("ghcr.io", "-u", "a", "--password-stdin", "--token-stdin"), "x", "exclude each other"),
        (("oci:dist", "-u", "a", "--password-stdin"), "x", "oci:dist: registry 'layout' knows no logins"),
    ],
)
def test_a_command_line_that_can_not_be_meant_is_refused(user: User, words: tuple[str, ...], stdin: str, message: str) -> None:
    said = user.agent("login", *words, stdin=stdin)
    assert said.code == 3 and message in said.err


def test_a_server_that_is_no_registry_says_so(user: User) -> None:
    with http_server(lambda _: Answer(404)) as server:
        said = user.log_in(server.address)
    assert said.code == 1 and f"{server.url}/v2/ answered 404: it is no registry, or not well" in said.err


def test_a_registry_that_lets_everybody_in_may_still_refuse_a_password(user: User) -> None:
    with http_server(lambda seen: Answer(401 if "authorization" in seen.headers else 200)) as server:
        said = user.log_in(server.address)
    assert said.code == 1 and "the registry refuses this login" in said.err
    assert not user.config.exists()
