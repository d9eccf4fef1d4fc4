"""npm of the host, asked once which versions satisfy everything. It writes a lock file, installs nothing and runs no script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from aac_plugins.runtimes.nodejs_registry import HINT
from aac_plugins.runtimes.nodejs_tree import Tree
from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import StepError

COMMAND = (
    "install", "--package-lock-only", "--ignore-scripts", "--omit=dev", "--lockfile-version=3", "--no-audit", "--no-fund",
    "--no-update-notifier", "--loglevel=error", "--omit-lockfile-registry-resolved=false", "--workspaces=false",
)  # fmt: skip

PASSED_ON = (
    "HOME", "PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "NPM_TOKEN",
    "NPM_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_USERCONFIG", "npm_config_userconfig", "NPM_CONFIG_GLOBALCONFIG",
    "NPM_CONFIG_CAFILE", "npm_config_cafile", "NPM_CONFIG_FETCH_RETRIES", "npm_config_fetch_retries", "NPM_CONFIG_BEFORE",
    "npm_config_before", "NODE_AUTH_TOKEN",
)  # fmt: skip

AUTHORITIES = ("NODE_EXTRA_CA_CERTS", "AAC_CA_FILE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Files of more certificate authorities, as other steps read them; the first that is set."""


def resolve(manifest: Mapping[str, object], before: Tree | str | None, npmrc: str, tools: Tools) -> Tree:
    """The tree of what ``manifest`` wants; versions of ``before`` (a tree, or the text of an older lock file) are kept.

    Raises:
        StepError: npm is missing, or it finds no set of versions.
    """
    if tools.which("npm") is None:
        raise StepError(
            "npm is not installed here, and it resolves the dependencies of Node.js agents",
            hint="install Node.js with npm, or bring package.json with a lock file and leave spec.dependencies out",
        )
    with tools.scratch() as folder:
        _put(folder / "package.json", {"name": "agent", "version": "0.0.0", **manifest})
        if isinstance(before, str):
            (folder / "package-lock.json").write_text(before, "utf-8")
        elif before is not None:
            _put(folder / "package-lock.json", {"name": "agent", "lockfileVersion": 3, "requires": True, "packages": before})
        if npmrc:
            (folder / ".npmrc").write_text(npmrc, "utf-8")
        tools.progress("resolving npm packages")
        _run(folder, npmrc, tools)
        written = json.loads((folder / "package-lock.json").read_text("utf-8"))
        return cast("Tree", written["packages"])  # npm's own output


def _put(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def _run(folder: Path, npmrc: str, tools: Tools) -> None:
    names = (*PASSED_ON, *re.findall(r"\$\{(\w+)\}", npmrc))
    env = {name: value for name in names if (value := tools.environment(name)) is not None}
    more = next((value for name in AUTHORITIES if (value := tools.environment(name))), "")
    if more:
        env["NODE_EXTRA_CA_CERTS"] = more  # Node.js reads this name only
    cache = f"--cache={tools.cache / 'npm'}"
    done = tools.run(
        Process(("npm", *COMMAND, cache, *(["--offline"] if tools.offline else [])), cwd=folder, env=env, timeout=300.0)
    )
    if done.exit_code != 0:
        raise refused(re.sub(r"://[^/@\s]+@", "://***@", done.stderr))


CREDENTIALS = ("the npm registry wants credentials", "put //HOST/:_authToken=${NPM_TOKEN} into an .npmrc and set NPM_TOKEN")
UNREACHED = ("ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "ERR_SOCKET_TIMEOUT")
SILENT = ("the npm registry can't be reached", HINT)
UNSIGNED = (
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
)
UNVERIFIED = (
    "the npm registry shows a certificate that nobody here vouches for",
    "set AAC_CA_FILE or NODE_EXTRA_CA_CERTS to a file with the authority that signed it",
)
TOLD = {
    "E401": CREDENTIALS,
    "E403": CREDENTIALS,
    "ENEEDAUTH": CREDENTIALS,
    "ERESOLVE": (
        "the npm packages can't be put together",
        "change versions until the peer dependencies agree, or say legacy-peer-deps=true in .npmrc",
    ),
    "ENOTCACHED": ("the npm packages can't be resolved offline", "run `agent lock` once without --offline"),
    **dict.fromkeys(UNREACHED, SILENT),
    **dict.fromkeys(UNSIGNED, UNVERIFIED),
}
"""npm's codes (https://docs.npmjs.com/common-errors) → what is wrong, and what to do."""


NOISE = re.compile(r"npm (ERR!|error)(\s+at .*|.*/_logs/.*|.*complete log of this run.*|( 404)?\s*)")
"""Empty lines, places in npm's own code, and the name of a file that nobody needs."""


def refused(said: str) -> StepError:
    """The error behind what an npm that failed said; ``said`` holds no credentials."""
    tail = "\n".join(line for line in said.splitlines() if line.strip() and not NOISE.fullmatch(line))
    code = _first(r"^npm (?:ERR!|error) code (\S+)", said)
    if code == "E404":
        name = _first(r"'(\S+?)@[^'@]*' (?:is not in|could not be found)", said)
        hint = "check its spelling in spec.dependencies or package.json; another registry goes into NPM_CONFIG_REGISTRY"
        return StepError(f"the registry has no npm package {name!r}", tail=tail, hint=hint)
    if code == "ETARGET":
        wanted = _first(r"No matching version found for (.+?)\.?$", said)
        hint = "ask for one that is there, or leave the version out and have `agent lock` take the newest"
        return StepError(f"the registry has no npm package that is {wanted}", tail=tail, hint=hint)
    message, hint = TOLD.get(code, ("npm can't resolve the dependencies", "try `npm install --package-lock-only` by hand"))
    return StepError(message, tail="\n".join(tail.splitlines()[:20]), hint=hint)


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""
