from __future__ import annotations

from pathlib import Path

import pytest
from python_workbench import DEBIAN_BASE

from aac_plugins.runtimes.python import PythonRuntime
from aac_plugins.runtimes.python_install import PYTHON
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedFile, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import ApplicationLayer, CommandLayer, DependencyLayer, Recipe
from aac_tasks.contracts.roles import RuntimePlan
from aac_tasks.contracts.spec import AgentSpec, Build, HealthCheck, Metadata, Port
from aac_tasks.plan.dockerfile import render

RUNTIME = PythonRuntime()
WHEEL = LockedFile("one", "1", "https://x/one-1-py3-none-any.whl", "0" * 64, 10)


def spec(**changes: object) -> AgentSpec:
    return AgentSpec(Metadata("hello"), "python", **changes)  # type: ignore[arg-type]


def facts(*exists: str, **texts: str) -> Facts:
    named = {k.replace("_", "."): v for k, v in texts.items()}
    return Facts(Path("agents/hello"), named, frozenset((*(exists or ("main.py",)), *named)))


def planned(agent: AgentSpec | None = None, known: Facts | None = None) -> RuntimePlan:
    return RUNTIME.plan(agent or spec(), known or facts())


def recipe(agent: AgentSpec, base: LockedBase = DEBIAN_BASE, *files: LockedFile) -> Recipe:
    return RUNTIME.recipe(agent, facts(), LockedPlatform(Platform(), base, LockedDependencies(files)))


@pytest.mark.parametrize(
    ("version", "image", "base", "reference", "number"),
    [
        ("", "", "debian", "debian:trixie", ""),
        ("3.12", "", "registry", "docker.io/library/python:3.12-slim", "3.12"),
        ("3", "", "registry", "docker.io/library/python:3-slim", "3"),
        ("3.12-alpine", "", "registry", "docker.io/library/python:3.12-alpine", "3.12"),
        ("3.12", "ghcr.io/me/base:1", "registry", "ghcr.io/me/base:1", "3.12"),
        ("", "python:3.11", "registry", "docker.io/library/python:3.11", ""),
        ("", "debian:bookworm", "debian", "debian:bookworm", ""),
        ("", "oci:./layout", "layout", "oci:./layout", ""),
    ],
)
def test_the_base_follows_the_version_and_the_base_image(
    version: str, image: str, base: str, reference: str, number: str
) -> None:
    answer = planned(spec(version=version, build=Build(base_image=image)))
    assert (answer.base.base, answer.base.reference, answer.base.version) == (base, reference, number)
    assert answer.problems == ()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"build": Build(base_image="NOT an image")}, "spec.build.baseImage"),
        ({"version": "3.12 slim"}, "spec.runtime"),
        ({"build": Build(base_image="scratch")}, "spec.build.baseImage"),
        ({"build": Build(system_packages=("libpq5", "--reinstall"))}, "spec.build.systemPackages[1]"),
        ({"dependencies": ("httpx", "httpx@0.27")}, "spec.dependencies[1]"),
        ({"dependencies": ("a\n--index-url https://evil",)}, "spec.dependencies[0]"),
        ({"dependencies": ("six @ git+https://example.org/six",)}, "spec.dependencies[0]"),
        ({"dependencies": ("./local",)}, "spec.dependencies[0]"),
    ],
)
def test_what_can_not_be_built_is_a_problem_with_its_place(changes: dict[str, object], path: str) -> None:
    assert [p for p, _ in planned(spec(**changes)).problems] == [path]


def test_a_version_in_the_manner_of_npm_is_answered_with_the_right_spelling() -> None:
    ((_, message),) = planned(spec(dependencies=("httpx@0.27",))).problems
    assert "did you mean 'httpx==0.27'?" in message


def test_a_missing_script_names_the_folder_and_the_remedy() -> None:
    ((path, message),) = planned(known=facts("README.md")).problems
    assert path == "spec.entrypoint"
    assert message.startswith("main.py not found in agents/hello; ")


def test_app_py_is_the_script_where_there_is_no_main_py() -> None:
    assert planned(known=facts("app.py")).entrypoint == ("python3", "app.py")
    assert planned(known=facts("app.py", "main.py")).entrypoint == ("python3", "main.py")


@pytest.mark.parametrize(
    ("changes", "entrypoint", "command"),
    [
        ({}, ("python3", "main.py"), ()),
        ({"entrypoint": ("serve.py",)}, ("python3", "serve.py"), ()),
        ({"entrypoint": ("uvicorn", "app:app")}, ("uvicorn", "app:app"), ()),
        ({"entrypoint": ("python3", "-u", "main.py"), "command": ("a",), "args": ("b",)},
         ("python3", "-u", "main.py"), ("a", "b")),
        ({"command": ("python", "-m", "pkg")}, ("python", "-m", "pkg"), ()),
        ({"args": ("--port", "80")}, ("python3", "main.py"), ("--port", "80")),
    ],
)  # fmt: skip
def test_entrypoint_command_and_args_mean_what_they_mean_in_compose(
    changes: dict[str, object], entrypoint: tuple[str, ...], command: tuple[str, ...]
) -> None:
    made = recipe(spec(**changes))
    assert (made.entrypoint, made.command) == (entrypoint, command)


@pytest.mark.parametrize(
    ("entrypoint", "missing"),
    [
        (("python3", "-u", "sub/../other.py"), True),
        (("python3", "/app/main.py"), False),
        (("python3", "/opt/tool.py"), False),
        (("python3.12", "-m", "pkg"), False),
        (("python3", "-X", "dev", "-W", "error", "main.py"), False),
        (("uvicorn", "main:app"), False),
    ],
)
def test_only_a_script_of_the_agents_folder_is_looked_for(entrypoint: tuple[str, ...], missing: bool) -> None:
    assert bool(planned(spec(entrypoint=entrypoint)).problems) is missing


def test_wanted_are_the_dependency_files_and_the_script() -> None:
    wanted = RUNTIME.wants(spec(entrypoint=("python3", "src/serve.py")))
    assert {"requirements.txt", "pyproject.toml", "uv.lock", "main.py", "app.py", "src/serve.py"} <= set(wanted)


REQUIREMENTS = """\
# comment
httpx>=0.27  # why
markupsafe==3.0.2 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
--extra-index-url https://example.org/simple
uvicorn ; python_version >= "3.9"

-r requirements/base.txt
-c constraints.txt
"""


def test_requirements_keep_markers_and_hashes_and_lose_comments() -> None:
    texts = {"requirements.txt": REQUIREMENTS, "requirements/base.txt": "six\n", "constraints.txt": "six<2\n"}
    answer = RUNTIME.plan(spec(dependencies=("six", "rich")), Facts(Path("x"), texts, frozenset({"main.py"})))
    assert answer.problems == ()
    assert answer.dependencies.requirements == (
        "httpx>=0.27",
        "markupsafe==3.0.2 --hash=sha256:aa --hash=sha256:bb",
        "--extra-index-url https://example.org/simple",
        'uvicorn ; python_version >= "3.9"',
        "six",
        "rich",
    )
    assert answer.dependencies.files == {"constraints.txt": "six<2\n"}


def test_an_edited_comment_asks_for_the_same_lock() -> None:
    one, two = (planned(known=facts("main.py", requirements_txt=t)) for t in ("httpx # a\n", "# b\n\nhttpx\n"))
    assert one.dependencies == two.dependencies


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-e .", "editable"),
        ("-r ../other.txt", "includes '../other.txt'"),
        ("--find-links wheels", "option --find-links is not supported"),
        ("--index-url https://me:pw@example.org/simple", "UV_DEFAULT_INDEX"),
        ("git+https://example.org/x", "has no name"),
        ("httpx >> 1", "is not a requirement"),
    ],
)
def test_a_line_that_can_not_be_locked_is_a_problem_with_file_and_line(line: str, message: str) -> None:
    ((path, said),) = planned(known=facts("main.py", requirements_txt=f"six\n\n{line}\n")).problems
    assert path == "spec.dependencies"
    assert said.startswith("requirements.txt:3: ")
    assert message in said
    assert ":pw@" not in said


PROJECT = '[project]\nname = "x"\nversion = "0"\ndependencies = ["httpx>=0.27"]\n'


def test_a_pinned_requirements_file_goes_before_the_project_it_was_made_from() -> None:
    both = facts("main.py", requirements_txt="httpx==0.27.2\n", pyproject_toml=PROJECT)
    assert planned(known=both).dependencies.requirements == ("httpx==0.27.2",)
    assert planned(known=facts("main.py", pyproject_toml=PROJECT)).dependencies.requirements == ("httpx>=0.27",)


def test_a_uv_lock_goes_before_everything() -> None:
    known = facts("main.py", requirements_txt="six\n", pyproject_toml=PROJECT, uv_lock="version = 1\n")
    request = planned(spec(dependencies=("rich",)), known).dependencies
    assert request.requirements == ("rich",)
    assert set(request.files) == {"pyproject.toml", "uv.lock"}


def test_a_pyproject_that_only_configures_tools_says_nothing_of_dependencies() -> None:
    answer = planned(known=facts("main.py", pyproject_toml="[tool.ruff]\nline-length = 100\n"))
    assert answer.dependencies.requirements == ()
    assert answer.problems == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project\n", "is not TOML"),
        ('[project]\nname = "x"\ndynamic = ["dependencies"]\n', "dynamic"),
        ('[tool.poetry.dependencies]\nhttpx = "^0.27 || ^0.28"\n', "run `poetry lock`"),
        ('[tool.poetry.dependencies]\nhttpx = "~>1"\n', "is no version constraint of Poetry"),
        ('[tool.poetry.dependencies]\nown = {path = "../own"}\n', "own comes from path = '../own'"),
        ('[project]\nname = "x"\ndependencies = "httpx"\n', "not a list"),
        ('project = 1\n', "not a table"),
        ('[project]\ndependencies = ["./local"]\n', "has no name"),
    ],
)  # fmt: skip
def test_a_pyproject_that_can_not_be_read_says_why(text: str, message: str) -> None:
    ((path, said),) = planned(known=facts("main.py", pyproject_toml=text)).problems
    assert path == "spec.dependencies"
    assert said.startswith("pyproject.toml: ")
    assert message in said


def test_without_dependencies_there_is_no_dependency_layer() -> None:
    assert recipe(spec()).layers == (ApplicationLayer(),)


def test_the_dependency_layer_comes_before_the_application() -> None:
    first, last = recipe(spec(), DEBIAN_BASE, WHEEL).layers
    assert isinstance(first, DependencyLayer)
    assert isinstance(last, ApplicationLayer)
    assert first.paths == ("/opt/agent",)


def test_system_packages_on_a_base_of_layers_are_a_command_for_an_engine() -> None:
    official = LockedBase("registry", "docker.io/library/python:3.12-slim", Platform(), runtime_version="3.12.8")
    agent = spec(build=Build(system_packages=("libpq5",)))
    (command, _) = recipe(agent, official).layers
    assert isinstance(command, CommandLayer)
    assert command.commands[0].argv[-1] == "libpq5"
    assert recipe(agent).layers == (ApplicationLayer(),)


@pytest.mark.parametrize(
    ("base", "reference", "known", "python"),
    [
        ("debian", "debian:trixie", {}, "/usr/bin/python3"),
        ("registry", "docker.io/library/python:3.12-slim", {}, "/usr/local/bin/python3"),
        ("registry", "gcr.io/distroless/python3-debian12", {}, "/usr/bin/python3"),
        ("layout", "oci:x", {"python": "/opt/py/bin/python3"}, "/opt/py/bin/python3"),
    ],
)
def test_the_interpreter_is_where_the_base_has_it(base: str, reference: str, known: dict[str, str], python: str) -> None:
    assert PYTHON.interpreter(LockedBase(base, reference, Platform(), facts=known)) == python


def test_the_recipe_renders_as_a_dockerfile() -> None:
    text = render(recipe(spec(ports=(Port(8080),)), DEBIAN_BASE, WHEEL), lambda _: "localhost/aac/debian:trixie-1")
    assert f"ADD --checksum=sha256:{'0' * 64} https://x/one-1-py3-none-any.whl /wheels/one-1-py3-none-any.whl" in text
    assert 'RUN ["/usr/bin/python3", "/install.py", "/wheels", "/opt/agent", "3.13", "/usr/bin/python3"]' in text
    assert 'ENV PYTHONUSERBASE="/opt/agent"' in text
    assert "HEALTHCHECK" in text


def test_without_a_health_check_the_first_port_is_probed() -> None:
    probe = recipe(spec(ports=(Port(8080), Port(9090)))).probe
    assert probe is not None
    assert (probe.type, probe.port) == ("tcp", 8080)
    assert recipe(spec()).probe is None


def test_a_health_check_keeps_its_numbers() -> None:
    check = HealthCheck("http", "/health", None, (), "500ms", "1m30s", 5, "2s")
    probe = recipe(spec(ports=(Port(8080),), health_check=check)).probe
    assert probe is not None
    assert (probe.path, probe.port, probe.retries) == ("/health", 8080, 5)
    assert (probe.interval, probe.timeout, probe.start_period) == (0.5, 90.0, 2.0)
