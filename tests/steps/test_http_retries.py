"""Http when it has to ask again: busy servers, redirects, refusals, proxies."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from http_asking import HELLO, get, make, read_head
from http_servers import Answer, Seen, http_server, raw_server
from real_registry import free_port

from aac_tasks.errors import StepError

# retries


def failing(times: int, status: int, headers: Mapping[str, str] | None = None) -> Callable[[Seen], Answer]:
    count = iter(range(100))
    return lambda seen: Answer(status, b"", dict(headers or {})) if next(count) < times else Answer(200, seen.body)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_at_first_is_asked_again_with_the_whole_body(status: int) -> None:
    with http_server(failing(1, status)) as server:
        assert get(server.url, method="PUT", body=io.BytesIO(b"all of it")) == (200, b"all of it")
    assert len(server.seen) == 2


def test_a_server_that_stays_busy_is_an_answer_in_the_end() -> None:
    with http_server(failing(9, 503)) as server:
        assert get(server.url, retries=1) == (503, b"")
    assert len(server.seen) == 2


def test_retry_after_is_waited_for() -> None:
    with http_server(failing(1, 429, {"Retry-After": "1"})) as server:
        begun = time.monotonic()
        assert get(server.url, method="POST", body=b"x") == (200, b"x")
    assert 1 <= time.monotonic() - begun < 5


def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    with http_server(failing(1, 429, {"Retry-After": "3600"})) as server:
        assert get(server.url) == (429, b"")


def test_what_may_have_been_done_is_not_done_twice() -> None:
    with http_server(failing(1, 503)) as server:
        assert get(server.url, method="POST", body=b"x") == (503, b"")
    assert len(server.seen) == 1


def test_a_connection_that_breaks_before_the_answer_is_tried_again() -> None:
    count: list[int] = []

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        if len(count) > 1:
            connection.sendall(HELLO)

    with raw_server(talk, count=count) as address:
        assert get(f"http://{address}/") == (200, b"hello")
    assert len(count) == 2


# redirects


def redirect(to: str, status: int = 302) -> Callable[[Seen], Answer]:
    return lambda _: Answer(status, b"", {"Location": to})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_never_leave_the_host_they_were_given_for(status: int) -> None:
    secrets = {
        "Authorization": "Basic c2VjcmV0",
        "Cookie": "c2VjcmV0",
        "X-Registry-Auth": "c2VjcmV0",
        "Accept": "a/b",
    }
    with (
        http_server(lambda _: Answer(200, b"other host")) as second,
        http_server(redirect(f"{second.url}/there", status)) as first,
    ):
        assert get(first.url, headers=secrets) == (200, b"other host")
    assert first.seen[0].headers["authorization"] == "Basic c2VjcmV0"
    assert "c2VjcmV0" not in str(second.seen[0].headers)
    assert second.seen[0].headers["accept"] == "a/b"


def test_credentials_stay_on_the_same_host() -> None:
    with http_server(lambda s: Answer(200, b"ok") if s.path == "/b" else redirect("/b")(s)) as server:
        assert get(f"{server.url}/a", headers={"authorization": "x"}) == (200, b"ok")
    assert server.seen[1].headers["authorization"] == "x"


def test_a_redirected_upload_is_sent_again_from_its_beginning() -> None:
    with (
        http_server(lambda s: Answer(201, s.body)) as second,
        http_server(redirect(f"{second.url}/up", 307)) as first,
    ):
        assert get(first.url, method="PUT", body=io.BytesIO(b"payload")) == (201, b"payload")


def test_a_post_that_is_redirected_with_302_becomes_a_get() -> None:
    with http_server(lambda s: Answer(200, s.method.encode()) if s.path == "/b" else redirect("/b")(s)) as server:
        assert get(f"{server.url}/a", method="POST", body=b"form") == (200, b"GET")


def test_going_in_circles_ends() -> None:
    with (
        http_server(redirect("/again")) as server,
        pytest.raises(StepError, match="redirected more than 5 times"),
    ):
        get(f"{server.url}/again")
    assert len(server.seen) == 6


def test_without_redirects_the_redirect_is_the_answer() -> None:
    with http_server(redirect("/b", 307)) as server:
        assert get(f"{server.url}/a", redirects=0)[0] == 307


# names, ports, offline


def test_a_port_where_nobody_listens_is_named() -> None:
    port = free_port()
    with pytest.raises(StepError) as caught:
        get(f"http://127.0.0.1:{port}/v2/", retries=0)
    assert str(caught.value).startswith(f"GET http://127.0.0.1:{port}/v2/: 127.0.0.1:{port} refuses connections")


def test_a_host_that_is_not_there_is_named() -> None:
    with pytest.raises(StepError, match=r"(there is no host|no name server answers for) nowhere\.invalid"):
        get("https://nowhere.invalid/", retries=0)


def test_a_missing_socket_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"gone\.sock: there is no such socket"):
        get("http://docker/", unix=str(tmp_path / "gone.sock"))


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc/passwd", "no url", "http://"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(StepError, match="expected http:// or https:// and a host"):
        get(url)


def test_offline_refuses_other_hosts_and_names_what_was_wanted() -> None:
    with pytest.raises(StepError) as caught:
        get("https://example.org/x?key=1", make(offline=True))
    assert str(caught.value) == "offline: GET https://example.org/x would be needed; run once without --offline"


def test_offline_allows_this_machine_but_no_redirect_off_it() -> None:
    wanted = r"offline: GET http://example\.org/ would be needed"
    with http_server(redirect("http://example.org/")) as server, pytest.raises(StepError, match=wanted):
        get(server.url, make(offline=True))
    assert len(server.seen) == 1


def test_connects_tells_whether_somebody_listens() -> None:
    http = make()
    with http_server(lambda _: Answer()) as server:
        assert http.connects("127.0.0.1", int(server.address.partition(":")[2]))
    assert not http.connects("127.0.0.1", http.free_port())


@pytest.mark.parametrize(
    ("says", "stays"), [(lambda _: None, False), (lambda c: c.sendall(b"+"), True), (lambda _: time.sleep(0.5), True)]
)
def test_who_hangs_up_at_once_does_not_stay(says: Callable[[socket.socket], object], stays: bool) -> None:
    with raw_server(says) as address:
        assert make().connects("127.0.0.1", int(address.partition(":")[2])) is True
        assert make().connects("127.0.0.1", int(address.partition(":")[2]), stays=0.1) is stays


def test_many_threads_share_one_client() -> None:
    http, answers = make(), []
    with http_server(lambda seen: Answer(200, seen.path.encode())) as server:
        threads = [threading.Thread(target=lambda n=n: answers.append(get(f"{server.url}/{n}", http)[1])) for n in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == sorted(f"/{n}".encode() for n in range(30))


# proxies


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_plain_http_goes_through_the_proxy(name: str) -> None:
    with http_server(lambda seen: Answer(200, f"{seen.path} by proxy".encode())) as proxy:
        environment = {name: f"http://me:pass%20word@{proxy.address}"}
        assert get("http://far.invalid/x", make(environment)) == (200, b"http://far.invalid/x by proxy")
    assert proxy.seen[0].headers["proxy-authorization"] == "Basic bWU6cGFzcyB3b3Jk"


def test_this_machine_and_what_no_proxy_names_go_past_the_proxy() -> None:
    from aac_tasks.steps.http.proxies import proxies_of

    proxies = proxies_of({"https_proxy": "proxy:3128", "no_proxy": "corp.example, 10.0.0.0/8,.dev,other.example:8443"})
    direct = [
        "localhost",
        "127.0.0.5",
        "::1",
        "corp.example",
        "a.corp.example",
        "10.1.2.3",
        "x.dev",
        "other.example",
    ]
    assert [h for h in direct if proxies.of("https", h, 8443)] == []
    for host, port in (("other.example", 443), ("notcorp.example", 443), ("11.0.0.1", 443)):
        proxy = proxies.of("https", host, port)
        assert proxy is not None and proxy.url == "http://proxy:3128"


def test_a_proxy_that_is_not_there_is_blamed_by_its_variable() -> None:
    port = free_port()
    with pytest.raises(StepError) as caught:
        get("http://far.invalid/", make({"http_proxy": f"http://127.0.0.1:{port}"}), retries=0)
    assert f"the proxy http://127.0.0.1:{port} failed: connection refused" in str(caught.value)
    assert "check http_proxy, or put far.invalid into no_proxy" in str(caught.value)


def test_a_socks_proxy_is_refused_in_words() -> None:
    with pytest.raises(StepError, match="https_proxy: 'socks5://p:1' is not a proxy that can be used"):
        get("https://far.invalid/", make({"https_proxy": "socks5://p:1"}))
