"""Http over TLS: whom it trusts, how it goes through a tunnel, what it says when it does not trust."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from http_servers import Answer, http_server, raw_server
from own_ca import make_ca, make_certificate

from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.http import Http


def get(url: str, environment: Mapping[str, str], ca_file: str = "", timeout: float = 10) -> tuple[int, bytes]:
    http = Http(environment=environment, offline=False, cancelled=threading.Event(), ca_file=ca_file)
    with http.request(HttpRequest("GET", url, timeout=timeout, retries=0)) as answer:
        return answer.status, answer.read()


@contextlib.contextmanager
def tls_server(certificate: tuple[Path, Path], reply: bytes) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def talk(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secure:
            data = b""
            while b"\r\n\r\n" not in data:
                data += secure.recv(4096)
            secure.sendall(reply)

    with raw_server(talk) as address:
        yield address


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(ca: Path) -> Iterator[str]:
    certificate = make_certificate(ca, "server", "DNS:localhost,DNS:far.invalid")
    with tls_server(certificate, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret") as address:
        yield f"localhost:{address.partition(':')[2]}"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AAC_CA_FILE"])
def test_a_ca_of_the_company_is_trusted_when_a_variable_names_it(server: str, ca: Path, name: str) -> None:
    assert get(f"https://{server}/", {name: str(ca)}) == (200, b"secret")


def test_a_ca_of_the_company_is_trusted_when_the_setting_names_it(server: str, ca: Path) -> None:
    assert get(f"https://{server}/", {}, ca_file=str(ca)) == (200, b"secret")


def test_an_unknown_ca_is_not_trusted_and_the_remedy_is_named(server: str) -> None:
    with pytest.raises(StepError) as caught:
        get(f"https://{server}/", {})
    assert f"GET https://{server}/: the certificate is not trusted: unable to get local issuer" in str(caught.value)
    assert "name the CA's PEM file in SSL_CERT_FILE or AAC_CA_FILE" in str(caught.value)


def test_extra_cas_are_added_to_the_systems_roots(ca: Path) -> None:
    from aac_tasks.steps.http.pools import trust

    alone = len(trust(()).get_ca_certs())
    assert len(trust((("SSL_CERT_FILE", str(ca)),)).get_ca_certs()) == alone + 1


def test_a_name_that_the_certificate_is_not_for_is_refused(server: str, ca: Path) -> None:
    with pytest.raises(StepError, match="IP address mismatch") as caught:
        get(f"https://127.0.0.1:{server.partition(':')[2]}/", {"SSL_CERT_FILE": str(ca)})
    assert "ask the host by the name that its certificate is for" in str(caught.value)


def test_a_ca_file_that_is_missing_is_named_with_its_variable(server: str, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"SSL_CERT_FILE: .*/none\.pem: there is no such file"):
        get(f"https://{server}/", {"SSL_CERT_FILE": str(tmp_path / "none.pem")})


def test_a_ca_file_that_is_none_is_named_with_its_variable(server: str, tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("no certificate")
    with pytest.raises(StepError, match=r"CURL_CA_BUNDLE: .*/x\.pem: not a file of PEM certificates"):
        get(f"https://{server}/", {"CURL_CA_BUNDLE": str(tmp_path / "x.pem")})


def test_a_port_that_speaks_no_tls_is_told(ca: Path) -> None:
    with http_server(lambda _: Answer()) as plain, pytest.raises(StepError, match="does not speak TLS"):
        get(f"https://{plain.address}/", {})


def test_a_silent_tls_server_is_an_error_after_the_timeout() -> None:
    def silent(connection: socket.socket) -> None:
        connection.recv(10)
        threading.Event().wait(2)

    with raw_server(silent) as address, pytest.raises(StepError, match=r"did not answer within 0.5 s"):
        get(f"https://{address}/", {}, timeout=0.5)


def test_a_redirect_from_https_to_http_is_refused(ca: Path) -> None:
    with http_server(lambda _: Answer()) as plain:
        reply = f"HTTP/1.1 302 Found\r\nLocation: {plain.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        certificate = make_certificate(ca, "redirecting", "IP:127.0.0.1")
        with tls_server(certificate, reply) as address, pytest.raises(StepError) as caught:
            get(f"https://{address}/", {"SSL_CERT_FILE": str(ca)})
    assert f"redirected from https to {plain.url}, which is not encrypted" in str(caught.value)
    assert plain.seen == []


def tunnel(to: str, seen: list[bytes]) -> object:
    """What a CONNECT proxy does, to ``to`` whatever is asked for."""

    def talk(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        seen.append(head)
        host, _, port = to.partition(":")
        with socket.create_connection((host, int(port))) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=copy, args=(far, connection), daemon=True)
            back.start()
            copy(connection, far)
            back.join(2)

    return talk


def copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_https_goes_through_the_proxy_in_a_tunnel(server: str, ca: Path) -> None:
    seen: list[bytes] = []
    with raw_server(tunnel(server, seen)) as proxy:  # type: ignore[arg-type]
        environment = {"https_proxy": f"http://me:word@{proxy}", "SSL_CERT_FILE": str(ca)}
        assert get("https://far.invalid/x", environment) == (200, b"secret")
    assert seen[0].startswith(b"CONNECT far.invalid:443 HTTP/1.")
    assert b"proxy-authorization: basic bWU6d29yZA==" in seen[0].replace(b"Basic", b"basic").replace(b"Proxy-A", b"proxy-a")
    assert b"/x" not in seen[0]


def test_a_proxy_that_refuses_the_tunnel_is_blamed() -> None:
    with http_server(lambda _: Answer(403)) as proxy, pytest.raises(StepError) as caught:
        get("https://far.invalid/", {"https_proxy": proxy.address})
    assert f"the proxy {proxy.url} failed" in str(caught.value)


def test_the_systems_roots_are_trusted_with_an_environment_that_says_nothing() -> None:
    from aac_tasks.steps.http.pools import trust

    if not os.path.exists("/etc/ssl/certs/ca-certificates.crt"):  # noqa: PTH110
        pytest.skip("another system")
    assert len(trust(()).get_ca_certs()) > 50
