"""What can't be resolved is told in our words, whoever found it: the registry, npm, or we."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node_workbench import WANTS_GREETER, Registry, lock, locked_by_npm, npm_tools

from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("npm")]


def test_a_package_that_nobody_has_is_named(registry: Registry, tools: Tools) -> None:
    with pytest.raises(StepError, match="the registry has no npm package 'greter'"):
        lock(tools, "greter")


def test_a_version_that_is_not_there_is_named(registry: Registry, tools: Tools) -> None:
    registry.publish("greeter")
    with pytest.raises(StepError, match=r"the registry has no npm package that is greeter@9"):
        lock(tools, "greeter@9")


def test_peers_that_can_not_agree_are_shown(registry: Registry, tools: Tools) -> None:
    registry.publish("host", "1.0.0")
    registry.publish("host", "2.0.0")
    registry.publish("greeter", peerDependencies={"host": "^1"})
    with pytest.raises(StepError, match="can't be put together") as caught:
        lock(tools, "greeter", "host@2")
    assert "greeter" in caught.value.tail


def test_a_registry_out_of_reach_is_said(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="the npm registry can't be reached") as caught:
        lock(npm_tools(tmp_path, "http://127.0.0.1:9/"), "greeter")
    assert "NPM_CONFIG_REGISTRY" in caught.value.hint
    assert "node:net" not in caught.value.tail


def test_a_registry_that_wants_credentials_says_where_they_go(registry: Registry, tools: Tools) -> None:
    integrity = registry.publish("greeter")
    registry.token = "s3cret"
    with pytest.raises(StepError, match="wants credentials") as caught:
        lock(tools, "greeter")
    assert "_authToken=${NPM_TOKEN}" in caught.value.hint
    with pytest.raises(StepError, match="answered 401: the registry wants credentials"):
        lock(tools, package=WANTS_GREETER, npm=locked_by_npm(registry, integrity=integrity))


def test_a_tarball_that_is_not_what_the_lock_file_says_is_refused(registry: Registry, tools: Tools) -> None:
    npm = locked_by_npm(registry, integrity=registry.publish("greeter"))
    registry.publish("greeter", files={"evil.js": ""})
    with pytest.raises(StepError, match=r"greeter-1\.0\.0\.tgz is not what the lock file says: its sha512 is"):
        lock(tools, package=WANTS_GREETER, npm=npm)


def test_a_tarball_that_is_gone_is_said(registry: Registry, tools: Tools) -> None:
    with pytest.raises(StepError, match=r"greeter-1\.0\.0\.tgz answered 404"):
        lock(tools, package=WANTS_GREETER, npm=locked_by_npm(registry, integrity="sha512-AAAA"))


@pytest.mark.parametrize("version", ["^2", None])
def test_a_lock_file_of_another_package_json_is_refused(registry: Registry, tools: Tools, version: str | None) -> None:
    npm = locked_by_npm(registry).replace("^1", "^2") if version else json.dumps({"packages": {"": {}}})
    said = r"\^2" if version else "not at all"
    with pytest.raises(StepError, match=rf"package-lock\.json has greeter {said}, package\.json \^1"):
        lock(tools, package=WANTS_GREETER, npm=npm)


def test_a_folder_of_the_project_can_not_be_locked(registry: Registry, tools: Tools) -> None:
    packages = {"": {"dependencies": {"greeter": "^1"}}, "node_modules/greeter": {"resolved": "lib", "link": True}}
    with pytest.raises(StepError, match="greeter is the folder lib, and only published packages can be locked"):
        lock(tools, package=WANTS_GREETER, npm=json.dumps({"packages": packages}))


def test_a_tarball_that_wants_out_is_refused(registry: Registry, tools: Tools) -> None:
    registry.publish("greeter", files={"../../evil.js": ""})
    with pytest.raises(StepError, match=r"can't be unpacked: .*'package/\.\./\.\./evil\.js' would be written outside"):
        lock(tools, "greeter")


def test_offline_without_what_is_needed_says_so(registry: Registry, tmp_path: Path) -> None:
    tools = npm_tools(tmp_path, registry.url, offline=True)
    with pytest.raises(StepError, match="can't be resolved offline"):
        lock(tools, "greeter")
    with pytest.raises(StepError, match="not downloaded yet"):
        lock(tools, package=WANTS_GREETER, npm=locked_by_npm(registry, integrity="sha512-AAAA"))


def test_without_npm_a_complete_lock_file_is_asked_for(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="npm is not installed here") as caught:
        lock(npm_tools(tmp_path, registry.url, PATH="/nowhere"), "greeter")
    assert "lock file" in caught.value.hint
