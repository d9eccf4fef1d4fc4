"""`agent login` and `logout` against real registries: checked first, kept where Docker looks, forgotten everywhere."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_registry import registry_server
from registry_user import ADA, PASSWORD, User
from token_service import TokenService, guarded_registry

from aac_tasks.testing import Project, need


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("locked"), {ADA: PASSWORD}) as address:
        yield address


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenService:
    top = tmp_path_factory.mktemp("tokens")
    return TokenService(top / "keys", {ADA: PASSWORD, "token": "ghp_1234"}, {ADA: "", "token": "bot/"}, {"long-lived": ADA})


@pytest.fixture(scope="module")
def guarded(tokens: TokenService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with guarded_registry(tmp_path_factory.mktemp("guarded"), tokens) as (address, _):
        yield address


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "ada")


def auth(said: str) -> dict[str, str]:
    return {"auth": base64.b64encode(said.encode()).decode()}


def may_push(user: User, registry: str, repository: str = "x") -> bool:
    user.agent("configure", "profile", "add", "p", "--registry", registry)
    return bool(user.agent("configure", "profile", "test", "p", "--repository", repository, "--json").json["push"])


def test_a_login_that_the_registry_takes_is_kept_in_dockers_file(user: User, locked: str) -> None:
    said = user.log_in(locked)
    assert (said.code, said.out) == (0, f"logged in at {locked} as {ADA}; kept by {user.config}\n")
    assert json.loads(user.config.read_text()) == {"auths": {locked: auth(f"{ADA}:{PASSWORD}")}}
    assert user.config.stat().st_mode & 0o777 == 0o600
    assert may_push(user, locked)


def test_skopeo_uses_the_login_that_was_kept(user: User, locked: str) -> None:
    need(shutil.which("skopeo"), "skopeo is not installed")
    user.log_in(locked)
    ask = ("skopeo", "list-tags", "--tls-verify=false", "--authfile", str(user.config), f"docker://{locked}/never")
    said = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert "404 (Not Found)" in said.stderr  # it was let in, and there is no such repository


def test_what_skopeo_kept_is_forgotten(user: User, locked: str) -> None:
    need(shutil.which("skopeo"), "skopeo is not installed")
    user.configure({})
    ask = ("skopeo", "login", "-u", ADA, "--password-stdin", "--tls-verify=false", "--authfile", str(user.config), locked)
    subprocess.run(ask, input=PASSWORD, text=True, check=True, capture_output=True)
    assert may_push(user, locked)
    assert user.agent("logout", locked, "--json").json == {"registry": locked, "removed": [str(user.config)]}
    assert not may_push(user, locked)


def test_on_a_terminal_the_password_is_asked_for_and_not_shown(user: User, locked: str) -> None:
    child, terminal = pty.fork()
    if not child:
        words = (sys.executable, "-m", "aac_tasks", "login", locked, "-u", ADA)
        os.execve(sys.executable, words, {**os.environ, **user.environment})  # noqa: S606
    shown = b""
    while b": " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, f"{PASSWORD}\n".encode())
    with contextlib.suppress(OSError):  # EIO: how a terminal ends
        while piece := os.read(terminal, 1000):
            shown += piece
    assert os.waitpid(child, 0)[1] == 0, shown
    assert f"password of {ADA} at {locked}: " in shown.decode() and "logged in at" in shown.decode()
    assert PASSWORD not in shown.decode()


def test_a_refused_password_is_not_kept_and_not_shown(user: User, locked: str) -> None:
    said = user.log_in(locked, "not-the-password")
    assert said.code == 1
    assert said.err.startswith(f"error: not logged in at {locked}: the registry answered 401")
    assert "not-the-password" not in said.out + said.err
    assert not user.config.exists()


def test_everything_else_in_dockers_file_stays(user: User, locked: str) -> None:
    user.configure({"psFormat": "x", "auths": {"ghcr.io": auth("a:b"), locked: auth("old:old")}, "credHelpers": {"quay.io": "q"}})
    user.config.chmod(0o644)
    user.log_in(locked)
    kept = json.loads(user.config.read_text())
    assert kept["auths"] == {"ghcr.io": auth("a:b"), locked: auth(f"{ADA}:{PASSWORD}")}
    assert (kept["psFormat"], kept["credHelpers"]) == ("x", {"quay.io": "q"})
    assert user.config.stat().st_mode & 0o777 == 0o600
    assert list(user.config.parent.iterdir()) == [user.config]


def test_a_configuration_that_is_a_link_stays_one(user: User, locked: str) -> None:
    real = user.top / "dotfiles.json"
    real.write_text("{}")
    user.config.parent.mkdir()
    user.config.symlink_to(real)
    user.log_in(locked)
    assert user.config.is_symlink() and locked in real.read_text()


def test_a_broken_configuration_is_named_and_left_alone(user: User, locked: str) -> None:
    user.config.parent.mkdir()
    user.config.write_text('{"auths": ')
    said = user.log_in(locked)
    assert said.code == 1 and f"{user.config}: credentials can't be read: it is no JSON" in said.err
    assert user.config.read_text() == '{"auths": '


@pytest.mark.parametrize("how", ["credsStore", "credHelpers"])
def test_a_credential_helper_keeps_gives_and_forgets_it(user: User, locked: str, how: str) -> None:
    place = user.has_helper()
    user.configure({"credsStore": "test"} if how == "credsStore" else {"credHelpers": {locked: "test"}})
    assert user.log_in(locked, PASSWORD, "-u", ADA, "--password-stdin", "--json").json["where"] == "docker-credential-test"
    assert json.loads(place.read_text()) == {locked: {"Username": ADA, "Secret": PASSWORD}}
    assert json.loads(user.config.read_text())["auths"] == {locked: {}}
    assert may_push(user, locked)
    assert user.agent("logout", locked).out == f"logged out of {locked}; removed from docker-credential-test\n"
    assert json.loads(place.read_text()) == {}
    assert not may_push(user, locked)


def test_a_helper_that_keeps_nothing_is_quoted_without_the_secret(user: User, locked: str) -> None:
    user.has_helper()
    program = user.top / "bin" / "docker-credential-test"
    program.write_text('#!/bin/sh\nread line\necho "not implemented: $line" >&2\nexit 1\n')
    user.configure({"credHelpers": {locked: "test"}})
    said = user.log_in(locked)
    assert said.code == 1 and f"docker-credential-test did not keep the login for {locked}" in said.err
    assert "not implemented" in said.err and "no login is needed" in said.err
    assert PASSWORD not in said.out + said.err


def test_nothing_to_forget_is_no_error(user: User) -> None:
    assert user.agent("logout", "ghcr.io").out == "no login for ghcr.io was kept\n"


def test_docker_hub_is_forgotten_under_each_of_its_names(user: User) -> None:
    user.configure({"auths": {"https://index.docker.io/v1/": auth("a:b"), "docker.io": auth("a:b"), "ghcr.io": auth("c:d")}})
    assert user.agent("logout").out.startswith("logged out of docker.io")
    assert list(json.loads(user.config.read_text())["auths"]) == ["ghcr.io"]


def test_a_registry_that_lets_everybody_in_says_that_nobody_looked(user: User, tmp_path: Path) -> None:
    with registry_server(tmp_path / "open") as address:
        assert "lets everybody in and did not look at the password" in user.log_in(address).out


# tokens


def test_a_password_is_shown_to_the_token_service_and_not_to_the_registry(user: User, guarded: str) -> None:
    assert user.log_in(guarded).code == 0
    assert may_push(user, guarded, "team/one")


def test_a_token_service_that_refuses_is_named(user: User, guarded: str, tokens: TokenService) -> None:
    said = user.log_in(guarded, "wrong")
    assert said.code == 1 and f"{tokens.url.split('/')[2]} refuses this login" in said.err


def test_an_identity_token_is_found_out_and_kept_as_one(user: User, guarded: str) -> None:
    assert user.log_in(guarded, "long-lived", "--token-stdin").code == 0
    entry = json.loads(user.config.read_text())["auths"][guarded]
    assert entry["identitytoken"] == "long-lived"
    assert may_push(user, guarded)


def test_a_token_that_is_a_password_is_found_out_and_kept_as_one(user: User, guarded: str) -> None:
    assert user.log_in(guarded, "ghp_1234", "--token-stdin", "--json").json["user"] == "token"
    assert json.loads(user.config.read_text())["auths"][guarded] == auth("token:ghp_1234")
    assert may_push(user, guarded, "bot/x") and not may_push(user, guarded, "others/x")


def test_an_identity_token_in_a_helper_is_kept_under_dockers_sign_for_it(user: User, guarded: str) -> None:
    place = user.has_helper()
    user.configure({"credsStore": "test"})
    user.log_in(guarded, "long-lived", "--token-stdin")
    assert json.loads(place.read_text())[guarded] == {"Username": "<token>", "Secret": "long-lived"}
    assert may_push(user, guarded)


def test_the_environments_token_may_be_one_that_the_registry_itself_takes(user: User, guarded: str, tokens: TokenService) -> None:
    bearer = tokens.token(ADA, ["repository:x:pull,push"])
    user.environment |= {"AGENT_REGISTRY_URL": guarded, "AGENT_REGISTRY_TOKEN": bearer}
    user.agent("configure", "profile", "add", "p", "--registry", guarded)
    said = user.agent("configure", "profile", "test", "p", "--repository", "x")
    assert said.code == 0 and "AGENT_REGISTRY_TOKEN" in said.out and bearer not in said.out
    assert user.agent("configure", "profile", "test", "p", "--repository", "y").code == 1


# the system's keyring

BACKEND = """
import json, os, pathlib
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    '''A keyring in a file, as a desktop has one in a service.'''
    priority = 9
    place = pathlib.Path(os.environ["HOME"], "keyring.json")

    def _all(self):
        return json.loads(self.place.read_text()) if self.place.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.place.write_text(json.dumps({**self._all(), f"{service}/{username}": password}))

    def delete_password(self, service, username):
        self.place.write_text(json.dumps({k: v for k, v in self._all().items() if k != f"{service}/{username}"}))
"""


def test_the_systems_keyring_keeps_gives_and_forgets_it(lone_project: Project, locked: str) -> None:
    lone_project.write({"backend/desk_keyring.py": BACKEND})
    seen = {"PYTHONPATH": str(lone_project.folder / "backend"), "PYTHON_KEYRING_BACKEND": "desk_keyring.Keyring"}
    home = Path(lone_project.env["HOME"])

    def agent(line: str) -> str:
        command = f"echo {PASSWORD} | {sys.executable} -m aac_tasks {line}"
        return lone_project.run(("sh", "-c", command), env=seen).ok().stdout

    assert "kept by the system's keyring" in agent(f"login {locked} -u {ADA} --password-stdin")
    assert json.loads((home / "keyring.json").read_text()) == {f"agent login/{locked}": PASSWORD}
    notes = home / ".config/aac/logins.json"
    assert json.loads(notes.read_text()) == {"keyring": {locked: ADA}}
    assert notes.stat().st_mode & 0o777 == 0o600
    assert not (home / ".docker").exists()
    agent(f"configure profile add p --registry {locked}")
    assert "the system's keyring" in agent("configure profile test p")
    assert "removed from the system's keyring" in agent(f"logout {locked}")
    assert json.loads((home / "keyring.json").read_text()) == {}
