"""The runtime ``nodejs``: an agent is a script beside its agent.yaml, its dependencies are packages of an npm registry.

``runtime: nodejs`` runs on Debian stable's own Node.js, from Debian's packages; ``runtime: nodejs:22`` on the language's
official image. ``build.baseImage`` takes the place of either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aac_plugins.runtimes import nodejs_manifest
from aac_plugins.runtimes.origin import EPOCH, Language, apt, number
from aac_plugins.runtimes.starting import Starter, command_of, probe_of
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.lock import DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, Recipe, RecipeLayer
from aac_tasks.contracts.roles import Runtime, RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.hookspecs import hookimpl

NODE = Language("nodejs", "Node.js", "node", "22-slim", "node", "/usr/bin/node")
TYPESCRIPT = (".ts", ".mts", ".cts")
STARTER = Starter(
    "node",
    "node(js)?",
    suffixes=(".js", ".mjs", ".cjs", *TYPESCRIPT),
    inline=("-e", "--eval", "-p", "--print", "-", "--test"),
    valued=("-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"),
)
SCRIPTS = (
    "index.js", "index.mjs", "index.ts", "server.js", "app.js", "main.js", "src/index.js", "src/server.js", "dist/index.js",
)  # fmt: skip
"""What is looked for when nothing says what to start; ``main`` and ``start`` of package.json come first."""

RUNS_TYPESCRIPT = (22, 18)
"""The first version that does without a flag (https://nodejs.org/api/typescript.html)."""

DEBIAN_NODE = (20, 19)
START = re.compile(r"node( [\w./@:=-]+)+")
"""A ``start`` script that needs no shell."""

HTTP = (
    "const [port, path, seconds] = process.argv.slice(1); setTimeout(() => process.exit(1), seconds * 1000); "
    "require('http').get({host: '127.0.0.1', port, path, agent: false}, "
    "a => process.exit(a.statusCode >= 200 && a.statusCode < 400 ? 0 : 1)).on('error', () => process.exit(1))"
)
TCP = (
    "const [port, seconds] = process.argv.slice(1); setTimeout(() => process.exit(1), seconds * 1000); "
    "require('net').connect(port, '127.0.0.1', () => process.exit(0)).on('error', () => process.exit(1))"
)
APT = (
    "const run = (...words) => require('child_process').execFileSync('apt-get', words, {stdio: 'inherit'}); run('update'); "
    "run('install', '--yes', '--no-install-recommends', ...process.argv.slice(1)); "
    "require('fs').rmSync('/var/lib/apt/lists', {recursive: true})"
)
"""One command, so that no stale list of packages is ever read from a build cache; run by the base's own Node.js."""

INLINE = ("--input-type=commonjs", "-e")
"""Whatever "type" the agent's package.json has."""


class NodeRuntime:
    """See the module."""

    name = "nodejs"
    settings_schema: JsonObject | None = None

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """The files that say what it depends on, and its script (that it exists, not what is in it)."""
        script = STARTER.script(STARTER.argv(spec, ("node", SCRIPTS[0])))
        return (*nodejs_manifest.FILES, *dict.fromkeys((*SCRIPTS, *([script] if script else []))))

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """The base by version or ``build.baseImage``; dependencies by the rules of ``nodejs_manifest``."""
        base, problems = NODE.asked(spec)
        dependencies, more = nodejs_manifest.read(spec.dependencies, facts.texts)
        argv = STARTER.argv(spec, _default(facts))
        return RuntimePlan(base, dependencies, argv, (*problems, *more, *_start_problems(spec, argv, facts)))

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """Base, system packages that only an engine can add, dependencies, application."""
        base, node = locked.base, interpreter(locked.base)
        layers: list[RecipeLayer] = [*apt(spec, base, node, *INLINE, APT)]
        if locked.dependencies.files:
            from aac_plugins.runtimes.nodejs_install import layer  # lazy: an agent without dependencies needs none of it

            layers.append(layer(locked.dependencies, base, node))
        return Recipe(
            name=spec.name,
            platform=locked.platform,
            base=base,
            layers=(*layers, ApplicationLayer()),
            env={"NODE_ENV": "production"},
            workdir=APP_DIR,
            entrypoint=STARTER.argv(spec, _default(facts)),
            command=command_of(spec),
            probe=probe_of(spec, lambda probe: with_command(probe, node)),
            created=EPOCH,
        )

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """One tarball per folder of node_modules; see ``nodejs_resolve``."""
        from aac_plugins.runtimes.nodejs_resolve import resolve  # lazy, as below: a plan needs none of it

        return resolve(request, base, tools)

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """Unpacked tarballs below /app/node_modules; see ``nodejs_install``."""
        from aac_plugins.runtimes.nodejs_install import install

        install(locked, into, tools)


def interpreter(base: LockedBase) -> str:
    """Where ``base`` has it; in an image that nothing is known of, on its PATH."""
    place = NODE.interpreter(base)
    return place if base.facts.get("nodejs") or place.startswith("/usr/local/") else "node"


def with_command(probe: HealthProbe, node: str) -> HealthProbe:
    """The same probe; its command asks it from inside, with nothing but the image's Node.js."""
    seconds = f"{probe.timeout:g}"
    if probe.type == "http":
        return replace(probe, command=(node, *INLINE, HTTP, str(probe.port), probe.path, seconds))
    if probe.type == "tcp":
        return replace(probe, command=(node, *INLINE, TCP, str(probe.port), seconds))
    return probe


def _default(facts: Facts) -> tuple[str, ...]:
    """``scripts.start`` of package.json where it is one node command, else its ``main``, else the first script there is.

    ``main`` is what others import; it counts unless it is known to be absent (`npm init` writes index.js, there or not).
    """
    manifest, _ = nodejs_manifest.parsed(facts.texts.get(nodejs_manifest.MANIFEST))
    scripts, main = manifest.get("scripts"), manifest.get("main")
    start = scripts.get("start") if isinstance(scripts, dict) else None
    if isinstance(start, str) and START.fullmatch(start.strip()):
        return tuple(start.split())
    if isinstance(main, str) and main.endswith(STARTER.suffixes):
        main = main.removeprefix("./")
        if main in facts.exists or main not in SCRIPTS:
            return ("node", main)
    return ("node", next((s for s in SCRIPTS if s in facts.exists), SCRIPTS[0]))


def _start_problems(spec: AgentSpec, argv: tuple[str, ...], facts: Facts) -> tuple[tuple[str, str], ...]:
    script = STARTER.script(argv)
    if script.endswith(TYPESCRIPT) and _version(spec) < RUNS_TYPESCRIPT and "--experimental-strip-types" not in argv:
        message = (
            f"{script} is TypeScript, which Node.js runs from {'.'.join(map(str, RUNS_TYPESCRIPT))} on; "
            "say `runtime: nodejs:24`, or compile it before and name the .js file that comes out"
        )
        return (("spec.entrypoint", message),)
    if argv[0] in ("npm", "npx", "yarn", "pnpm", "corepack") and not (spec.version or spec.build.base_image):
        return (("spec.entrypoint", f"{argv[0]} is not in the image; name what it starts: entrypoint: [node, SCRIPT]"),)
    asked = set(NodeRuntime().wants(spec))
    return STARTER.problems(script, spec, facts) if script in asked else ()


def _version(spec: AgentSpec) -> tuple[int, ...]:
    """What is known of the version before anything is locked; a whole ``22`` is its newest."""
    if not spec.version:
        return (99,) if spec.build.base_image else DEBIAN_NODE
    parts = tuple(int(p) for p in number(spec.version).split(".") if p)
    return (*parts, 99) if len(parts) == 1 else parts or (99,)


@hookimpl
def aac_register_runtimes() -> Sequence[Runtime]:
    """JavaScript, and TypeScript where Node.js runs it."""
    return (NodeRuntime(),)
