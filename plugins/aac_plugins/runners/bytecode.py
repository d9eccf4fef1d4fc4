"""What an interpreter compiles at each start, compiled once: a volume of the engine beside an agent's container.

Layers hold no bytecode (docs/adr/0016). So Python compiles every module that it imports, in every new container: most of the time
between an edit and an agent that answers. The second time that an agent on the same base and dependencies is started to stay, its
image's own interpreter compiles them, in a container with nothing but these layers; from then on agents read the result.

Nobody depends on it. Each file tells the hash of its source, which the interpreter compares; what is missing is compiled as ever.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from aac_plugins.oci.docker_api import Engine, MissingError
from aac_plugins.oci.docker_load import base_image, load_image
from aac_tasks.contracts.canonical import Json, JsonObject, fingerprint, table
from aac_tasks.contracts.image import ImageConfig
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.contracts.running import RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

FORMAT = 1
"""Raised when what is compiled, or how, changes."""

LABEL = "dev.agent.bytecode"
"""On volumes and on containers that fill them."""

NAME = "aac-bytecode-"
PLACE = "/run/aac/bytecode"
PREFIX, PACKAGES = "PYTHONPYCACHEPREFIX", "PYTHONUSERBASE"
"""Where an interpreter looks for bytecode (https://docs.python.org/3/using/cmdline.html#envvar-PYTHONPYCACHEPREFIX), and where
images of runtime python have their packages.
"""

BELOW = ("base", "dependencies")
"""The layers that no edited source changes."""

MOST = 8
"""Volumes that are kept; an older one that no container uses goes when a new one is made."""

_COMPILE = """\
import compileall, os, py_compile, re, sys
os.nice(19)
sys.pycache_prefix = sys.argv[1]
unused = re.compile(r"/(tests?|idlelib|turtledemo|ensurepip|lib2to3|pip)/")
for folder in (sys.argv[2], os.path.dirname(os.__file__)):
    compileall.compile_dir(folder, quiet=2, rx=unused, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
"""


@dataclass(frozen=True)
class Bytecode:
    """A volume of compiled modules: ``count`` layers of an image, from below, and where these have their ``packages``."""

    key: str
    count: int
    packages: str

    @classmethod
    def of(cls, request: RunRequest) -> Bytecode | None:
        """That of an image of runtime python which is started to stay; None for others, and where the author has a cache."""
        variables = {**request.config.variables, **request.env}
        packages = variables.get(PACKAGES, "")
        names = [layer.name for layer in request.image.layers]
        count = max((i + 1 for i, name in enumerate(names) if name in BELOW), default=0)
        if not (request.detach and count and posixpath.isabs(packages)) or PREFIX in variables:
            return None
        chain: list[Json] = [layer.diff_id for layer in request.image.layers[:count]]
        return cls(fingerprint([FORMAT, packages, chain])[:16], count, packages)

    @property
    def volume(self) -> str:
        """Its name in the engine."""
        return f"{NAME}{self.key}"

    def ready(self, engine: Engine, request: RunRequest, image: str, tools: Tools) -> bool:
        """Whether the volume is there. The first start only leaves a note, the second makes it, in the background: who starts
        once, as CI does, has nothing from it. ``image`` is the name under which the engine has the agent's.
        """
        seen = fingerprint(["bytecode", engine.host, self.key])
        try:
            if self._is_there(engine, tools):
                return True
            if tools.blobs.memo(seen) is None:
                tools.blobs.remember(seen, "")
                return False
            _tidy(engine, tools)
            self._fill(engine, self._image(engine, request, image, tools), tools)
        except StepError as error:
            tools.note(f"modules are not compiled ahead: {error.message}")
            return False
        return True

    def into(self, body: dict[str, Json]) -> dict[str, Json]:
        """A container's description with the volume, to be read only."""
        host = table(body["HostConfig"])
        mounts = [*_list(host["Mounts"]), self._mount(read_only=True)]
        return {**body, "Env": [*_list(body["Env"]), f"{PREFIX}={PLACE}"], "HostConfig": {**host, "Mounts": mounts}}

    def _is_there(self, engine: Engine, tools: Tools) -> bool:
        try:
            engine.call(tools, "GET", f"/volumes/{self.volume}", timeout="5")
        except MissingError:
            return False
        return True

    def _image(self, engine: Engine, request: RunRequest, like: str, tools: Tools) -> str:
        """The layers alone: in what others will execute the agent's own files have no say."""
        env = tuple(f"{name}={value}" for name, value in request.config.variables.items() if name == "PATH")
        base = BaseImage(request.image.layers[: self.count], ImageConfig(env=env))
        name = f"localhost/aac/bytecode:{self.key}"
        return load_image(engine, base_image(base, name, request.image.platform, tools.blobs), (name,), tools, like=(like,)).id

    def _fill(self, engine: Engine, image: str, tools: Tools) -> None:
        """Start what compiles, behind everything else that the machine does. It sees no network and is gone when it is done.

        Podman without root may have no say over shares of a CPU, and then refuses.
        """
        last: JsonObject = {"CpuShares": 2} if engine.name == "docker" else {}
        body: dict[str, Json] = {
            "Image": image,
            "User": "0:0",
            "WorkingDir": "/",
            "Entrypoint": ["python3", "-I", "-S", "-c", _COMPILE, PLACE, self.packages],  # nothing that it compiles is executed
            "Labels": {LABEL: self.key},
            "HostConfig": {
                "AutoRemove": True,
                "NetworkMode": "none",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"],
                "Mounts": [self._mount(read_only=False)],
                **last,
            },
        }
        engine.call(tools, "POST", "/volumes/create", {"Name": self.volume, "Labels": {LABEL: self.key}})
        try:
            made = engine.table(tools, "POST", "/containers/create", body)
            engine.call(tools, "POST", f"/containers/{made['Id']}/start")
        except StepError:
            engine.call(tools, "DELETE", f"/volumes/{self.volume}", force="1")
            raise

    def _mount(self, *, read_only: bool) -> Json:
        options: Json = {"NoCopy": True}
        return {"Type": "volume", "Source": self.volume, "Target": PLACE, "ReadOnly": read_only, "VolumeOptions": options}


def _tidy(engine: Engine, tools: Tools) -> None:
    """Make room for one more; the engine refuses to remove what a container uses."""
    found = engine.table(tools, "GET", "/volumes", filters=f'{{"label":["{LABEL}"]}}').get("Volumes")
    newest = sorted(map(table, _list(found)), key=lambda one: str(one.get("CreatedAt")), reverse=True)
    for volume in newest[MOST - 1 :]:
        name = str(volume.get("Name"))
        with contextlib.suppress(StepError):
            engine.call(tools, "DELETE", f"/volumes/{name}")
            engine.call(tools, "DELETE", f"/images/localhost/aac/bytecode:{name.removeprefix(NAME)}")


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
