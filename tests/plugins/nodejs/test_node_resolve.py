"""Resolving against a registry on loopback, with the host's real npm."""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

import pytest
from node_workbench import DEBIAN_BASE, WANTS_GREETER, Registry, lock, locked_by_npm, node, npm_tools, serving
from own_ca import make_ca, make_certificate

from aac_plugins.runtimes.nodejs_install import install
from aac_plugins.runtimes.nodejs_manifest import read
from aac_plugins.runtimes.nodejs_resolve import resolve
from aac_plugins.runtimes.nodejs_tree import folder_name
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("npm")]


def places(locked: LockedDependencies) -> dict[str, str]:
    return {file.name.removeprefix("node_modules/"): file.version for file in locked.files}


def test_the_newest_that_fits_is_taken_with_all_that_it_needs(registry: Registry, tools: Tools) -> None:
    registry.publish("words", "1.0.0")
    registry.publish("words", "2.0.0")
    registry.publish("@team/greeter", "1.5.0", dependencies={"words": "^1"})
    registry.publish("@team/greeter", "2.0.0")
    locked = lock(tools, "@team/greeter@^1", "words@2")
    assert places(locked) == {"@team/greeter": "1.5.0", "@team/greeter/node_modules/words": "1.0.0", "words": "2.0.0"}
    assert [f.name for f in locked.files] == sorted(f.name for f in locked.files)
    assert all(f.size and f.url.startswith(registry.url) for f in locked.files)
    assert locked.texts == {}


def test_a_dependency_of_agent_yaml_joins_those_of_a_lock_file_and_moves_none(registry: Registry, tools: Tools) -> None:
    old = registry.publish("greeter", "1.0.0")
    registry.publish("greeter", "1.9.0")
    registry.publish("words", "3.0.0")
    npm = locked_by_npm(registry, integrity=old)
    assert places(lock(tools, package=WANTS_GREETER, npm=npm)) == {"greeter": "1.0.0"}
    assert places(lock(tools, "words", package=WANTS_GREETER, npm=npm)) == {"greeter": "1.0.0", "words": "3.0.0"}


def test_a_lock_file_that_is_complete_needs_neither_npm_nor_a_question(registry: Registry, tools: Tools) -> None:
    integrity = registry.publish("greeter")
    lock(tools, package=WANTS_GREETER, npm=locked_by_npm(registry, integrity=integrity))
    assert registry.asked == ["greeter/-/greeter-1.0.0.tgz"]
    lock(tools, package=WANTS_GREETER, npm=locked_by_npm(registry, integrity=integrity))
    assert len(registry.asked) == 1, "what was verified is not fetched again"


def test_what_was_taken_out_of_package_json_is_not_installed(registry: Registry, tools: Tools) -> None:
    npm = json.loads(locked_by_npm(registry, integrity=registry.publish("greeter")))
    npm["packages"][""]["dependencies"]["words"] = "1"
    npm["packages"]["node_modules/words"] = {"version": "1.0.0", "resolved": f"{registry.url}gone.tgz"}
    assert places(lock(tools, package=WANTS_GREETER, npm=json.dumps(npm))) == {"greeter": "1.0.0"}


def test_versions_of_an_old_lock_file_are_kept(registry: Registry, tools: Tools) -> None:
    integrity = registry.publish("greeter", "1.0.0")
    registry.publish("greeter", "1.9.0")
    entry = {"version": "1.0.0", "resolved": f"{registry.url}greeter/-/greeter-1.0.0.tgz", "integrity": integrity}
    old = json.dumps({"name": "agent", "lockfileVersion": 1, "requires": True, "dependencies": {"greeter": entry}})
    assert places(lock(tools, package=WANTS_GREETER, npm=old)) == {"greeter": "1.0.0"}


def test_development_is_never_part_of_it_and_peers_are(registry: Registry, tools: Tools) -> None:
    for name in ("tester", "host"):
        registry.publish(name)
    registry.publish("greeter", peerDependencies={"host": "*"})
    locked = lock(tools, package={**WANTS_GREETER, "devDependencies": {"tester": "1"}})
    assert places(locked) == {"greeter": "1.0.0", "host": "1.0.0"}


def test_an_alias_lies_under_its_own_name(registry: Registry, tools: Tools) -> None:
    registry.publish("greeter")
    locked = lock(tools, "hello@npm:greeter@1")
    assert places(locked) == {"hello": "1.0.0"}
    assert locked.files[0].url.endswith("greeter-1.0.0.tgz")


def test_what_a_package_brings_in_its_own_tarball_is_not_fetched(registry: Registry, tools: Tools) -> None:
    registry.publish("inside")
    files = {"node_modules/inside/package.json": '{"name": "inside", "version": "1.0.0"}', "node_modules/inside/index.js": ""}
    registry.publish("greeter", files=files, dependencies={"inside": "1"}, bundleDependencies=["inside"])
    assert places(lock(tools, "greeter")) == {"greeter": "1.0.0"}


def test_the_optional_package_of_the_images_platform_is_kept(registry: Registry, tools: Tools) -> None:
    cpus = {"x64": ["x64"], "arm64": ["arm64"]}
    for cpu, listed in cpus.items():
        registry.publish(f"native-{cpu}", os=["linux"], cpu=listed)
    registry.publish("native-mac", os=["darwin"])
    registry.publish("native-musl", os=["linux"], libc=["musl"])
    names = ("native-x64", "native-arm64", "native-mac", "native-musl")
    registry.publish("native", optionalDependencies=dict.fromkeys(names, "1.0.0"))
    assert set(places(lock(tools, "native"))) == {"native", "native-x64"}
    arm = LockedBase("registry", "docker.io/library/node:22-alpine", Platform(architecture="arm64"))
    assert set(places(lock(tools, "native", base=arm))) == {"native", "native-arm64", "native-musl"}


def test_yarn_1_asks_the_registry_which_platform_an_optional_package_is_for(registry: Registry, tools: Tools) -> None:
    registry.publish("mac", os=["darwin"])
    registry.publish("linux", os=["linux"])
    registry.publish("greeter", optionalDependencies={"mac": "1.0.0", "linux": "1.0.0"})
    blocks = "".join(
        f'{name}@{wanted}:\n  version "1.0.0"\n  resolved "{registry.url}{name}/-/{name}-1.0.0.tgz"\n{more}\n'
        for name, wanted, more in (
            ("greeter", "^1", '  optionalDependencies:\n    linux "1.0.0"\n    mac "1.0.0"\n'),
            ("linux", "1.0.0", ""),
            ("mac", "1.0.0", ""),
        )
    )
    locked = lock(tools, package=WANTS_GREETER, yarn=f"# yarn lockfile v1\n\n\n{blocks}")
    assert set(places(locked)) == {"greeter", "linux"}
    assert "mac/-/mac-1.0.0.tgz" not in registry.asked


def test_a_package_that_would_have_to_be_compiled_is_refused_and_left_out_where_it_is_optional(
    registry: Registry, tools: Tools
) -> None:
    registry.publish("native", files={"binding.gyp": "{}"}, scripts={"install": "node-gyp rebuild"})
    registry.publish("prebuilt", files={"binding.gyp": "{}", "prebuilds/linux-x64/a.node": b"\x7fELF"}, scripts={"install": "x"})
    with pytest.raises(StepError, match=r"native 1\.0\.0 compiles itself when it is installed \(node-gyp\)") as caught:
        lock(tools, "native")
    assert "build.dockerfile" in caught.value.hint
    assert set(places(lock(tools, "prebuilt"))) == {"prebuilt"}
    assert places(lock(tools, package={"optionalDependencies": {"native": "1"}})) == {}


def test_no_script_of_a_package_is_run(registry: Registry, tools: Tools, tmp_path: Path) -> None:
    registry.publish("greeter", scripts={"preinstall": f"touch {tmp_path}/ran", "postinstall": f"touch {tmp_path}/ran"})
    lock(tools, "greeter")
    assert not (tmp_path / "ran").exists()


def test_credentials_are_read_from_the_environment_and_never_written(registry: Registry, tmp_path: Path) -> None:
    registry.publish("@team/greeter")
    registry.token = "s3cret"
    host = registry.url.removeprefix("http:")
    tools = npm_tools(tmp_path / "user", "", NPM_TOKEN="s3cret")
    locked = lock(tools, "@team/greeter", npmrc=f"@team:registry={registry.url}\n{host}:_authToken=${{NPM_TOKEN}}\n")
    assert places(locked) == {"@team/greeter": "1.0.0"}
    assert "s3cret" not in repr(locked)
    assert locked.texts[".npmrc"].endswith("_authToken=${NPM_TOKEN}\n")
    assert "Bearer s3cret" in registry.authorizations


def test_credentials_are_read_from_the_users_own_npmrc(registry: Registry, tmp_path: Path) -> None:
    integrity = registry.publish("greeter")
    registry.token = "s3cret"
    tools = npm_tools(tmp_path / "user", registry.url)
    (tmp_path / "user/home/.npmrc").write_text(f"{registry.url.removeprefix('http:')}:_authToken=s3cret\n")
    locked = lock(tools, package=WANTS_GREETER, npm=locked_by_npm(registry, integrity=integrity))
    assert "s3cret" not in repr(locked)


def test_an_authority_that_other_steps_trust_is_trusted_by_npm_too(tmp_path: Path) -> None:
    ca = make_ca(tmp_path / "ca")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*make_certificate(ca, "registry", "IP:127.0.0.1"))
    with serving(Registry(), tls) as registry:
        registry.publish("greeter")
        none = {"NODE_EXTRA_CA_CERTS": "", "NPM_CONFIG_GLOBALCONFIG": str(tmp_path / "none")}  # what this machine says
        own = npm_tools(tmp_path / "own", registry.url, AAC_CA_FILE=str(ca), **none)
        assert places(lock(own, "greeter")) == {"greeter": "1.0.0"}
        with pytest.raises(StepError, match="shows a certificate that nobody here vouches for"):
            lock(npm_tools(tmp_path / "other", registry.url, **none), "greeter")


def test_addresses_of_the_public_registry_are_fetched_from_the_one_that_is_set(registry: Registry, tools: Tools) -> None:
    integrity = registry.publish("greeter")
    npm = locked_by_npm(registry, integrity=integrity).replace(registry.url, "https://registry.npmjs.org/")
    locked = lock(tools, package=WANTS_GREETER, npm=npm)
    assert locked.files[0].url == "https://registry.npmjs.org/greeter/-/greeter-1.0.0.tgz"
    assert registry.asked == ["greeter/-/greeter-1.0.0.tgz"]


def test_a_lock_file_without_addresses_is_answered_by_the_registry_that_is_set(registry: Registry, tools: Tools) -> None:
    """As npm writes it under ``omit-lockfile-registry-resolved``; what has no hash either is asked for."""
    entries = {
        "node_modules/@team/greeter": {"version": "1.0.0", "integrity": registry.publish("@team/greeter")},
        "node_modules/words": {"version": "1.0.0"},
    }
    registry.publish("words")
    wants = {"@team/greeter": "1", "words": "1"}
    npm = json.dumps({"lockfileVersion": 3, "packages": {"": {"dependencies": wants}, **entries}})
    locked = lock(tools, package={"dependencies": wants}, npm=npm)
    assert [file.url for file in locked.files] == [
        "https://registry.npmjs.org/@team/greeter/-/greeter-1.0.0.tgz",
        f"{registry.url}words/-/words-1.0.0.tgz",
    ]
    assert "@team/greeter" not in registry.asked


LOCKS = Path(__file__).parent / "locks"


@pytest.mark.network
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("package-lock.json", "npm.json"),
        ("yarn.lock", "yarn1.lock"),
        ("yarn.lock", "yarn4.lock"),
        ("pnpm-lock.yaml", "pnpm8.yaml"),
        ("pnpm-lock.yaml", "pnpm9.yaml"),
    ],
)
def test_a_real_lock_of_each_manager_gives_packages_that_work_together(name: str, file: str, tmp_path: Path) -> None:
    """From the public registry, required by a real Node.js."""
    texts: dict[str, str | None] = {"package.json": (LOCKS / "package.json").read_text(), name: (LOCKS / file).read_text()}
    request, problems = read((), texts)
    assert problems == ()
    tools = npm_tools(tmp_path / "user", "")
    locked = resolve(request, DEBIAN_BASE, tools)
    assert len({(folder_name(f.name), f.version, f.sha256) for f in locked.files}) == 75
    install(locked, tmp_path / "root", tools)
    script = "console.log(require('express/package').version, require('myms')(1000), typeof require('@hapi/boom').notFound)"
    said = subprocess.run([node(), "-e", script], cwd=tmp_path / "root/app", capture_output=True, text=True, check=True).stdout
    assert said == "4.18.2 1s function\n"
