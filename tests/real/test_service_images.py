"""Services that are images: tests start them beside the agent from a real registry, and end them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.podman import Podman
from real.service_shop import ASK, NEEDS, STORE, Shop, make_shop
from real_registry import registry_server

from aac_plugins.runners.userns import UsernsRunner
from aac_tasks.testing import Ran, command, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

BECOMES_ANOTHER = 'busybox chown agent . && exec busybox su agent -s /bin/sh -c "$1"'
"""As images of databases begin: root puts the folder right and becomes another user."""


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(params=["runc", "userns", "host"])
def shop(tmp_path: Path, registry: str, request: pytest.FixtureRequest) -> Iterator[Shop]:
    if request.param == "runc":
        need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    made = make_shop(tmp_path, registry, request.param)
    if request.param == "userns":
        need(UsernsRunner().probe(made.stage.tools).works, "namespaces are refused here")
    made.put("first")
    made.write()
    yield made
    assert made.left() == []


@pytest.fixture
def contained(tmp_path: Path, registry: str) -> Shop:
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    return make_shop(tmp_path, registry, "runc")


def test_a_test_starts_it_and_tells_where_it_is(shop: Shop) -> None:
    said = shop.project.agent("test", "-v").ok().output
    assert "✓ test:front" in said
    assert shop.left() == []
    log = shop.project.folder / ".aac/agents/front/test/services/front.store/agent.log"
    assert log.exists()
    for _ in range(2):
        time.sleep(0.1)
        assert shop.done("test") == []
    shop.edit("stdout: 'first", "stdout: 'second")
    failed = shop.project.agent("test").exits(1)
    assert "got first hello given\n" in failed.output
    assert f"tcp://127.0.0.1:{shop.port}\n" in failed.output


def test_only_a_changed_service_tests_again_and_no_image_is_built(shop: Shop) -> None:
    pin = shop.put("first")
    shop.project.agent("test").ok()
    lock = json.loads(shop.project.read("front/agent.lock"))
    assert lock["platforms"][0]["images"] == {shop.image: pin}
    shop.edit("value: hello", "value: hello again")
    why = shop.project.agent("why", "test:front").ok().stdout
    assert why.startswith("test:front: would run (spec.services.store.environment[WORD].value hello → hello again)")
    shop.edit("stdout: 'first hello", "stdout: 'first hello again")
    assert shop.done("test") == ["parse:front", "test:front"]
    assert json.loads(shop.project.read("front/agent.lock")) == lock

    moved = shop.put("second")
    assert moved != pin
    assert shop.done("test") == []
    shop.project.agent("lock").ok()
    assert json.loads(shop.project.read("front/agent.lock")) == lock
    shop.project.agent("lock", "--update").ok()
    assert json.loads(shop.project.read("front/agent.lock"))["platforms"][0]["images"] == {shop.image: moved}
    why = shop.project.agent("why", "test:front").ok().stdout
    old, new = (f"{name.partition('@')[0]}@{name.partition('@')[2][:19]}…" for name in (pin, moved))
    assert f"  agent.lock, spec.services.store.image (as images.store.image): {old} → {new}\n" in why
    shop.edit("stdout: 'first", "stdout: 'second")
    assert shop.done("test") == ["parse:front", "test:front"]


def test_a_service_that_comes_and_goes_leaves_the_rest_of_the_lock_as_it_was(shop: Shop) -> None:
    shop.write(rest="")
    shop.project.agent("test").ok()
    lock = shop.project.read("front/agent.lock")
    shop.write()
    assert shop.done("test") == ["parse:front", "lock:front", "test:front"]
    shop.write(rest="")
    shop.project.agent("test").ok()
    assert shop.project.read("front/agent.lock") == lock.replace("the first that can build this", "as locked before")


def test_what_was_brought_once_is_not_asked_for_again(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        shop = make_shop(tmp_path, address, "host")
        shop.put("first")
        shop.write()
        shop.project.agent("test").ok()
    shop.edit("value: hello", "value: goodbye")
    shop.edit("stdout: 'first hello", "stdout: 'first goodbye")
    assert shop.done("test") == ["parse:front", "test:front"]


def test_it_is_ended_when_the_test_fails(shop: Shop) -> None:
    shop.write(expect="something else")
    failed = shop.project.agent("test").exits(1)
    assert "1 of 2 checks failed" in failed.output
    assert shop.left() == []


def test_what_a_killed_test_started_is_ended_by_the_next(shop: Shop) -> None:
    text = shop.project.read("front/agent.yaml")
    shop.project.write({"front/agent.yaml": text.replace("exec httpd", "sleep 30; exec httpd")})
    run = subprocess.Popen(
        (*command("agent"), "test"), cwd=shop.project.folder, env=shop.project.env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    tests = shop.project.folder / ".aac/agents/front/test"
    record, own = tests / "services/front.store/running.json", tests / "running.json"
    end = time.monotonic() + 60
    while not own.exists() and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert record.exists()
    shop.project.write({"front/agent.yaml": text})
    shop.project.agent("test").ok()
    assert not record.exists()


def test_who_is_needed_brings_its_services_along(shop: Shop) -> None:
    asks = "  services: {{front: {{agent: front}}}}\n" + NEEDS[NEEDS.index("  tests:") :]
    shop.write(rest=asks, ask="wget -qO- $FRONT_URL", expect="well", name="outer")
    assert {"test:front": "done", "test:outer": "done"}.items() <= shop.outcomes("test", "outer").items()
    shop.edit("value: hello", "value: goodbye")
    shop.edit("stdout: 'first hello", "stdout: 'first goodbye")
    assert shop.done("test", "outer") == ["parse:front", "test:front", "test:outer"]


def test_tests_of_two_agents_wait_for_one_another_where_they_share_a_port(contained: Shop) -> None:
    """Like most images, this one does not look at PORT."""
    contained.put("first", STORE.replace("${PORT:-{port}}", "{port}"))
    for name in ("front", "other"):
        contained.write(name=name)
    assert {"test:front": "done", "test:other": "done"}.items() <= contained.outcomes("test", "--jobs", "2").items()


def test_services_of_one_port_in_one_test_do_not_wait_for_one_another(contained: Shop) -> None:
    """This one looks at PORT; it would be waited for for a minute."""
    contained.put("first")
    contained.write()
    contained.write(rest=NEEDS.replace("  services:", "  services:\n    front: {{agent: front}}"), name="outer")
    begun = time.monotonic()
    contained.project.agent("test", "outer").ok()
    assert time.monotonic() - begun < 30


def test_a_port_that_a_stranger_has_is_told(contained: Shop) -> None:
    contained.put("first", STORE.replace("${PORT:-{port}}", "{port}"))
    contained.write()
    with socket.create_server(("0.0.0.0", contained.port)):  # noqa: S104  # all of them, as the store wants
        failed = contained.project.agent("test").exits(1)
    assert "service store (spec.services.store): front-store ended with exit code 1 before it was well" in failed.output
    assert "its port is taken here, and it may not look at PORT, which told it another: free that port" in failed.output


def test_an_image_that_begins_as_root_and_becomes_another_user(contained: Shop) -> None:
    script = f"set -- '{STORE}'; {BECOMES_ANOTHER}"
    contained.put("first", script, user="")
    contained.write(expect="^10001", ask=ASK.replace("said", "user"))
    contained.project.agent("test").ok()


def test_a_service_says_who_it_is_and_what_makes_it_ready(contained: Shop) -> None:
    """It listens on a port that its image does not tell of, and is ready once a file is there."""
    contained.put("first", "(sleep 1; echo ready > ready) & " + STORE, exposed_ports=())
    contained.write(expect="^7\\nready", ask="for one in user ready; do wget -qO- http://$STORE_HOST:$STORE_PORT/$one; done")
    check = f"command: [given], user: \"7:7\", port: {contained.port}, healthCheck: {{command: [/bin/cat, ready]}}"
    contained.edit("command: [given]", check)
    contained.project.agent("test").ok()


def test_a_run_says_that_nobody_started_it(shop: Shop) -> None:
    for words, told in (((), False), (("-e", "STORE_HOST=elsewhere"), True)):
        ran = shop.project.agent("run", "-d", "front", *words).ok()
        shop.project.agent("stop", "front").ok()
        assert ("STORE_URL is left unset: only tests start images of services" not in ran.output) == told


def test_a_deploy_starts_none_and_takes_where_it_is_from_the_environment(shop: Shop) -> None:
    shop.edit("  services:", "  environment: [{name: STORE_URL, from: env, defaultValue: nowhere}]\n  services:")
    shop.project.agent("deploy", env={"STORE_URL": "tcp://elsewhere:1"}).ok()
    try:
        said = shop.project.agent("exec", "front", "--", "/bin/sh", "-c", "echo $STORE_URL").ok().stdout
        assert said == "tcp://elsewhere:1\n"
    finally:
        shop.project.agent("stop", "front").ok()
    shop.project.agent("test", env={"STORE_URL": "tcp://elsewhere:1"}).ok()
    shop.edit("first hello given", f"127.0.0.1:{shop.port}")
    shop.project.agent("test", env={"STORE_URL": "tcp://elsewhere:1"}).ok()


def with_an_engine(top: Path, registry: str, runner: str, env: dict[str, str], engine: Callable[..., Ran]) -> None:
    """Containers have networks of their own; the engine is lent the image under a name of ours."""
    shop = make_shop(top, registry, runner, "0.0.0.0")  # noqa: S104  # inside of a container
    shop = replace(shop, project=replace(shop.project, env={**shop.project.env, **env}))
    labels = {"org.opencontainers.image.title": "precious", "org.opencontainers.image.version": "1"}
    shop.put("first", f"sleep 2; {STORE}", labels=labels)
    shop.write(ask=f"{ASK} | grep -v 127.0.0.1")
    shop.project.agent("test").ok()
    assert engine("ps", "--all", "--quiet", "--filter", "label=dev.agent.name=front-store").ok().stdout == ""
    assert engine("images", "--quiet", "precious:1").ok().stdout == ""
    shop.write(expect="something else")
    shop.project.agent("test").exits(1)
    assert engine("ps", "--all", "--quiet", "--filter", "label=dev.agent.name=front-store").ok().stdout == ""


def test_with_docker(tmp_path: Path, registry: str, docker_engine: Engine) -> None:
    with_an_engine(tmp_path, registry, "docker", docker_engine.env, docker_engine.docker)


def test_with_podman(tmp_path: Path, registry: str, podman: Podman) -> None:
    with_an_engine(tmp_path, registry, "podman", podman.env, podman.run)
