from __future__ import annotations

import json
from pathlib import Path

import pytest

from aac_plugins.runtimes.nodejs import NodeRuntime
from aac_plugins.runtimes.nodejs_manifest import read
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase, LockedDependencies, LockedFile, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import ApplicationLayer, CommandLayer, DependencyLayer, Recipe
from aac_tasks.contracts.roles import RuntimePlan
from aac_tasks.contracts.spec import AgentSpec, Build, HealthCheck, Metadata, Port

RUNTIME = NodeRuntime()
FOLDER = Path("/agents/hello")
LOCKED = LockedBase("debian", "debian:trixie", Platform(), runtime_version="20.19", facts={"nodejs": "/usr/bin/node"})


def spec(**fields: object) -> AgentSpec:
    return AgentSpec(metadata=Metadata("hello"), runtime="nodejs", **fields)  # type: ignore[arg-type]


def facts(*names: str, package: Json = None) -> Facts:
    texts = {"package.json": json.dumps(package)} if package is not None else {}
    return Facts(FOLDER, texts, frozenset((*names, *texts)))


def plan(*names: str, package: Json = None, **fields: object) -> RuntimePlan:
    return RUNTIME.plan(spec(**fields), facts(*names, package=package))


@pytest.mark.parametrize(
    ("version", "image", "base", "reference", "asked"),
    [
        ("", "", "debian", "debian:trixie", ""),
        ("22", "", "registry", "docker.io/library/node:22-slim", "22"),
        ("20.11-alpine", "", "registry", "docker.io/library/node:20.11-alpine", "20.11"),
        ("", "oci:base", "layout", "oci:base", ""),
        ("", "debian:bookworm", "debian", "debian:bookworm", ""),
        ("20", "ghcr.io/team/node:20", "registry", "ghcr.io/team/node:20", "20"),
    ],
)
def test_the_base_follows_version_and_base_image(version: str, image: str, base: str, reference: str, asked: str) -> None:
    answer = plan("index.js", version=version, build=Build(base_image=image))
    assert answer.base == BaseRequest(base, reference, runtime="nodejs", version=asked)
    assert answer.problems == ()


@pytest.mark.parametrize(
    ("names", "package", "argv"),
    [
        (("index.js",), None, "node index.js"),
        (("server.js",), {}, "node server.js"),
        (("index.js", "server.js"), {"scripts": {"start": "node --enable-source-maps server.js --port=1"}},
         "node --enable-source-maps server.js --port=1"),
        (("index.js",), {"scripts": {"start": "NODE_ENV=x node server.js"}}, "node index.js"),
        (("index.js",), {"scripts": {"start": "node a.js && node b.js"}}, "node index.js"),
        (("index.js",), {"scripts": {"start": "next start"}}, "node index.js"),
        (("server.js",), {"main": "index.js"}, "node server.js"),
        (("app.js", "index.js"), {"main": "./app.js"}, "node app.js"),
        (("index.js",), {"main": "lib/start.mjs"}, "node lib/start.mjs"),
        (("index.js",), {"main": "lib"}, "node index.js"),
    ],
)  # fmt: skip
def test_what_starts_the_agent_is_taken_from_package_json_where_it_is_clear(
    names: tuple[str, ...], package: Json, argv: str
) -> None:
    answer = plan(*names, package=package)
    assert " ".join(answer.entrypoint) == argv
    assert answer.problems == ()


@pytest.mark.parametrize(
    ("fields", "argv"),
    [
        ({"entrypoint": ("index.js", "-v")}, ("node", "index.js", "-v")),
        ({"entrypoint": ("index.mjs",)}, ("node", "index.mjs")),
        ({"command": ("node", "index.js")}, ("node", "index.js")),
        ({"entrypoint": ("/bin/other",), "command": ("x",)}, ("/bin/other",)),
    ],
)
def test_a_script_named_alone_is_run_by_node(fields: dict[str, object], argv: tuple[str, ...]) -> None:
    assert plan("index.js", "index.mjs", **fields).entrypoint == argv


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "index.js not found in /agents/hello; write it, or name another script: entrypoint: [node, SCRIPT]"),
        ({"entrypoint": ("node", "src/agent.js")}, "src/agent.js not found in /agents/hello"),
        ({"entrypoint": ("index.ts",)}, "index.ts is TypeScript, which Node.js runs from 22.18 on; say `runtime: nodejs:24`"),
        ({"entrypoint": ("index.ts",), "version": "22.6"}, "index.ts is TypeScript"),
        ({"entrypoint": ("npm", "start")}, "npm is not in the image; name what it starts"),
    ],
)
def test_what_can_not_start_is_a_problem(fields: dict[str, object], message: str) -> None:
    ((path, said),) = plan(**fields).problems
    assert path == "spec.entrypoint"
    assert said.startswith(message)


@pytest.mark.parametrize(
    "fields",
    [
        {"entrypoint": ("index.ts",), "version": "24"},
        {"entrypoint": ("index.ts",), "version": "22"},
        {"entrypoint": ("index.ts",), "version": "22.18.0"},
        {"entrypoint": ("index.ts",), "build": Build(base_image="oci:base")},
        {"entrypoint": ("npm", "start"), "version": "22"},
        {"entrypoint": ("node", "-e", "1")},
        {"entrypoint": ("node", "-r", "dotenv/config", "--import", "./trace.mjs", "--enable-source-maps", "server.js")},
        {"entrypoint": ("node", "/opt/other.js")},
    ],
)
def test_what_may_start_is_none(fields: dict[str, object]) -> None:
    assert plan("index.ts", "server.js", **fields).problems == ()


def test_only_production_fields_of_package_json_are_asked_about() -> None:
    package = {"name": "x", "version": "1", "scripts": {"test": "y"}, "dependencies": {"a": "^1"}, "devDependencies": {"b": "1"}}
    request, problems = read((), {"package.json": json.dumps(package), "package-lock.json": "{}"})
    assert problems == ()
    assert json.loads(request.files["package.json"]) == {"dependencies": {"a": "^1"}}
    assert request.files["package-lock.json"] == "{}"


def test_a_package_json_that_wants_nothing_is_no_question() -> None:
    package = {"name": "x", "devDependencies": {"b": "1"}}
    assert read((), {"package.json": json.dumps(package), "package-lock.json": "{}"})[0].files == {}


@pytest.mark.parametrize(
    ("own", "package", "requirement"),
    [
        ("express", {}, "express@latest"),
        ("express@4.18.2", {}, "express@4.18.2"),
        ("@scope/pkg@^1", {}, "@scope/pkg@^1"),
        ("a@npm:@b/c@1", {}, "a@npm:@b/c@1"),
        ("a@https://example.org/a.tgz", {}, "a@https://example.org/a.tgz"),
        ("a@>=1 <2", {}, "a@>=1 <2"),
        ("a@^1", {"a": "1.5.0"}, "a@1.5.0 ^1"),
        ("a@^1", {"a": "^1"}, "a@^1"),
        ("a", {"a": "^1"}, "a@^1"),
    ],
)
def test_dependencies_are_in_npms_notation_and_must_satisfy_both(own: str, package: Json, requirement: str) -> None:
    request, problems = read((own,), {"package.json": json.dumps({"dependencies": package})})
    assert problems == ()
    assert request.requirements == (requirement,)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("express==4.18.2", "'express==4.18.2' is not npm's notation; did you mean 'express@4.18.2'?"),
        ("./lib", "'./lib' has no name"),
        ("file:lib", "'file:lib' has no name"),
        ("user/repo", "'user/repo' has no name"),
        ("https://example.org/a.tgz", "has no name; expected NAME@RANGE"),
        ("a@file:lib", "a: 'file:lib' is a folder, and only published packages can be locked"),
        ("a@workspace:*", "a: 'workspace:*' is a folder"),
        ("a@git+ssh://git@github.com/x/y.git", "would have to be packed by git and npm"),
        ("a@user/repo", "would have to be packed by git and npm"),
        ("a@https://me:pw@example.org/a.tgz", "the address holds credentials"),
        ("a@patch:a@npm%3A1#x", "is patched by yarn"),
        ("Ex press", "is not a package"),
        ("a@npm:?", "is not an alias"),
        ("a@^2 || ^3", "can't be joined into one range; name a in one place"),
    ],
)
def test_what_can_not_be_locked_is_a_problem(own: str, message: str) -> None:
    _, problems = read((own,), {"package.json": '{"dependencies": {"a": "^1"}}'})
    ((path, said),) = problems
    assert path == "spec.dependencies[0]"
    assert message in said


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"package.json": "{"}, "package.json: is not JSON: line 1 can't be read"),
        ({"package.json": "[]"}, "package.json: is not a JSON object"),
        ({"package.json": '{"dependencies": []  , "optionalDependencies": ["x"]}'}, "optionalDependencies is not an object"),
        ({"package.json": '{"dependencies": {"a": 1}}'}, "'a': 1 is not a name with a range"),
        ({"package.json": '{"dependencies": {"a": "file:../a"}}'}, "package.json: a: 'file:../a' is a folder"),
        ({"package.json": '{"dependencies": {"a": "1"}}', "yarn.lock": "", "package-lock.json": "{}"},
         'package-lock.json and yarn.lock are both here; delete one, or say "packageManager" in package.json'),
        ({".npmrc": "\n//r.example.org/:_authToken=npm_1234"}, ".npmrc:2: holds a credential, and .npmrc is part of the image"),
        ({".npmrc": "registry=https://me:pw@r.example.org/"}, ".npmrc:1: holds a credential"),
    ],
)  # fmt: skip
def test_files_that_can_not_be_used_are_a_problem(texts: dict[str, str | None], message: str) -> None:
    _, problems = read((), texts)
    ((path, said),) = problems
    assert path == "spec.dependencies"
    assert message in said
    assert "npm_1234" not in said
    assert "pw" not in said


def test_package_manager_chooses_between_lock_files() -> None:
    package = '{"packageManager": "yarn@4.1.0", "dependencies": {"a": "1"}}'
    request, problems = read((), {"package.json": package, "yarn.lock": "y", "package-lock.json": "{}"})
    assert problems == ()
    assert set(request.files) == {"package.json", "yarn.lock"}


def test_of_npmrc_registries_are_kept_and_credentials_by_the_name_of_a_variable() -> None:
    kept = "registry=https://r.example.org/\n@a:registry=https://a.example.org\n//a.example.org/:_authToken=${A}\n"
    request, problems = read(("a",), {".npmrc": f"{kept}fund=false\n# a comment\n"})
    assert problems == ()
    assert request.files == {".npmrc": kept}


def recipe(*files: LockedFile, base: LockedBase = LOCKED, **fields: object) -> Recipe:
    return RUNTIME.recipe(spec(**fields), facts("index.js"), LockedPlatform(Platform(), base, LockedDependencies(files)))


def test_a_recipe_goes_from_dependencies_to_application_and_runs_as_production() -> None:
    file = LockedFile("node_modules/a", "1", "https://registry.npmjs.org/a/-/a-1.tgz", "0" * 64, 1)
    made = recipe(file, ports=(Port(8080),), health_check=HealthCheck(path="/health"))
    assert [type(layer) for layer in made.layers] == [DependencyLayer, ApplicationLayer]
    assert made.env == {"NODE_ENV": "production"}
    assert made.entrypoint == ("node", "index.js")
    assert made.probe
    assert made.probe.command[:2] == ("/usr/bin/node", "--input-type=commonjs")
    assert made.probe.command[-3:] == ("8080", "/health", "30")


@pytest.mark.parametrize(
    ("base", "reference", "node"),
    [
        ("debian", "debian:trixie", "/usr/bin/node"),
        ("registry", "docker.io/library/node:22-slim", "/usr/local/bin/node"),
        ("registry", "ghcr.io/team/web:1", "node"),
        ("layout", "oci:base", "node"),
    ],
)
def test_the_interpreter_is_where_the_base_has_it(base: str, reference: str, node: str) -> None:
    facts = {"nodejs": "/usr/bin/node"} if base == "debian" else {}
    made = recipe(base=LockedBase(base, reference, Platform(), facts=facts), ports=(Port(80),))
    assert made.probe
    assert made.probe.command[0] == node


def test_without_dependencies_there_is_no_layer_of_them() -> None:
    assert [type(layer) for layer in recipe().layers] == [ApplicationLayer]


def test_system_packages_on_a_registrys_image_need_an_engine() -> None:
    base = LockedBase("registry", "docker.io/library/node:22-slim", Platform(), runtime_version="22")
    first = recipe(base=base, build=Build(system_packages=("libvips42", "ffmpeg"))).layers[0]
    assert isinstance(first, CommandLayer)
    assert first.commands[0].argv[0] == "/usr/local/bin/node"
    assert first.commands[0].argv[-2:] == ("ffmpeg", "libvips42")
