"""The programs ``docker-credential-NAME`` that keep logins: ``get``, ``store``, ``erase`` and ``list`` on standard input.

https://github.com/docker/docker-credential-helpers#development
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from aac_plugins.oci.known import HUB_NAMES
from aac_tasks.contracts.tools import Completed, Process, Tools
from aac_tasks.errors import StepError

HUB_KEY = "https://index.docker.io/v1/"
"""What Docker calls its Hub where logins are kept."""

TOKEN_USER = "<token>"  # noqa: S105  # what helpers write for "the secret is an identity token"

_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS"),
    *("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "GNUPGHOME", "GPG_TTY", "PASSWORD_STORE_DIR"),
    *("DOCKER_CONFIG", "CLOUDSDK_CONFIG", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CONFIG_DIR"),
    *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EC2_METADATA_DISABLED"),
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
)


@dataclass(frozen=True)
class Helper:
    """One helper, by the name that Docker's configuration has for it (``ecr-login``, ``secretservice`` …)."""

    name: str

    @property
    def program(self) -> str:
        """What is started."""
        return f"docker-credential-{self.name}"

    def get(self, registry: str, tools: Tools) -> tuple[str, str] | None:
        """(user, secret), None when it keeps none; the user is ``TOKEN_USER`` when the secret is an identity token."""
        done = self._run("get", server_key(registry), tools)
        if done.exit_code != 0:
            if "credentials not found" in f"{done.stdout} {done.stderr}".lower():
                return None
            raise StepError(f"{self.program} has no credentials for {registry}", tail=_said(done))
        answer = _object(done.stdout)
        if not isinstance(answer.get("Secret"), str):
            raise StepError(f"{self.program} answered something else than credentials for {registry}")
        return str(answer.get("Username") or ""), str(answer["Secret"])

    def store(self, registry: str, user: str, secret: str, tools: Tools) -> None:
        """Keep a login; StepError in the helper's words when it can't."""
        entry = {"ServerURL": server_key(registry), "Username": user, "Secret": secret}
        done = self._run("store", json.dumps(entry), tools, secrets=(secret,))
        if done.exit_code != 0:
            raise StepError(
                f"{self.program} did not keep the login for {registry}",
                tail=_said(done).replace(secret, "***"),
                hint="helpers of clouds make credentials by themselves and keep none: then no login is needed",
            )

    def erase(self, registry: str, tools: Tools) -> bool:
        """Forget every login of the registry that it lists; whether there was one."""
        kept = [server for server in self._list(tools) if bare(server) in names_of(registry)]
        for server in kept:
            done = self._run("erase", server, tools)
            if done.exit_code != 0:
                raise StepError(f"{self.program} did not forget the login for {registry}", tail=_said(done))
        return bool(kept)

    def _list(self, tools: Tools) -> list[str]:
        done = self._run("list", "", tools)
        if done.exit_code != 0:
            raise StepError(f"{self.program} does not say what it keeps", tail=_said(done))
        return list(_object(done.stdout))

    def _run(self, verb: str, text: str, tools: Tools, secrets: tuple[str, ...] = ()) -> Completed:
        environment = {n: v for n in _VARIABLES if (v := tools.environment(n)) is not None}
        return tools.run(Process((self.program, verb), env=environment, stdin=text.encode(), timeout=30.0, secrets=secrets))


def server_key(registry: str) -> str:
    """What a login of the registry is kept under."""
    return HUB_KEY if registry in HUB_NAMES else registry


def names_of(registry: str) -> tuple[str, ...]:
    """The hosts that a registry's logins may be kept under: Docker Hub has several."""
    return tuple(sorted(HUB_NAMES)) if registry in HUB_NAMES else (registry,)


def bare(key: str) -> str:
    """A key without scheme and API version (``https://index.docker.io/v1/``)."""
    text = key.partition("://")[2] or key
    return text.rstrip("/").removesuffix("/v1").removesuffix("/v2")


def _said(done: Completed) -> str:
    return done.stderr.strip() or done.stdout.strip()


def _object(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
