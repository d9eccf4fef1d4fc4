"""A small agent for any builder: a base of one static program (busybox), sources, and layers whose stages the host can do too.
Neither a registry nor a package index is asked.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import stat
import tarfile
from pathlib import Path

from aac_tasks.conformance.lending import Lent
from aac_tasks.contracts.context import ContextFile
from aac_tasks.contracts.image import MEDIA_LAYER_GZIP, Digest, HealthProbe, ImageConfig, Layer, Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies
from aac_tasks.contracts.recipe import CompiledLayer, Context, DependencyLayer, Recipe, Run, Stage, Write
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.testing import need

SHELL = ("/bin/busybox", "sh", "-c")
INSTALL = """mkdir -p /opt/agent/bin /opt/agent/lib
printf '#!/bin/sh\\n' > /opt/agent/bin/tool
chmod 700 /opt/agent/bin/tool
printf 'y = 2\\n' > /opt/agent/lib/a.txt
chmod 600 /opt/agent/lib/a.txt
ln -s ../lib/a.txt /opt/agent/bin/link
"""
COMPILE = "mkdir -p /made && tr a-z A-Z < /src/main.txt > /made/it && chmod 755 /made/it"
BASE_ENV = ("PATH=/bin", "LANG=C.UTF-8")
SOURCES = {"main.txt": "hello\n", "deep/er/file.txt": "x\n", "run.sh": "#!/bin/sh\n"}

DEPENDENCIES = DependencyLayer(
    "test",
    "1",
    LockedDependencies(),
    ("/opt/agent",),
    Stage("deps", (Write("/install.sh", INSTALL), Run((*SHELL[:2], "/install.sh"), cache=("/var/cache/x",)))),
)
TOOLCHAIN = LockedBase("test", "toolchain:1", Platform(), digest=f"sha256:{'1' * 64}")
COMPILED = CompiledLayer(
    "test",
    "1",
    LockedDependencies(),
    ("/out/app/program",),
    Stage("build", (Context("/src"), Run((*SHELL, COMPILE))), base=TOOLCHAIN, made={"/out/app/program": "/made/it"}),
)
OWN = """FROM scratch AS wanted
ARG MODE=slow
ENV MODE=$MODE
COPY . /app/
WORKDIR /app
USER 1234:1234
ENTRYPOINT ["/app/run.sh"]
FROM wanted
USER 4321
"""


def recipe(platform: Platform) -> Recipe:
    """How the agent runs; without layers yet."""
    return Recipe(
        name="tiny",
        platform=platform,
        base=LockedBase("test", "test:1", platform, digest=f"sha256:{'0' * 64}"),
        layers=(),
        env={"PATH": "/opt/agent/bin:/bin", "GREETING": "it's \"$5\""},
        entrypoint=("/bin/busybox", "httpd"),
        command=("-f",),
        ports=("8080/tcp", "53/udp"),
        probe=HealthProbe("command", command=("/bin/busybox", "true"), interval=1.5, retries=7),
        stop_signal="SIGINT",
        labels={"team": "a b"},
    )


def base(lent: Lent) -> BaseImage:
    """One static program and its names, as a layer of the store."""
    found = shutil.which("busybox")
    need(found and b"/ld-linux" not in Path(found).read_bytes()[:4096], "no static busybox (Debian: busybox-static)")
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
        program = Path(str(found)).read_bytes()
        out.addfile(_member("bin", tarfile.DIRTYPE))
        out.addfile(_member("bin/busybox", tarfile.REGTYPE, len(program)), io.BytesIO(program))
        for name in ("sh", "mkdir", "chmod", "ln", "tr", "true"):
            out.addfile(_member(f"bin/{name}", tarfile.SYMTYPE, target="busybox"))
    data = tar.getvalue()
    blob = lent.blobs.put(gzip.compress(data, mtime=0), media_type=MEDIA_LAYER_GZIP)
    layer = Layer(blob, Digest(f"sha256:{hashlib.sha256(data).hexdigest()}"), "base")
    return BaseImage((layer,), ImageConfig(env=BASE_ENV, cmd=("sh",), labels={"base": "1"}))


def _member(name: str, kind: bytes, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, size, target, 0o755
    return info


def install(into: Path) -> None:
    """What the stage of `DEPENDENCIES` does, as a host's tools would do it."""
    for path, text, mode in (("bin/tool", "#!/bin/sh\n", 0o700), ("lib/a.txt", "y = 2\n", 0o600)):
        file = into / "opt/agent" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
    (into / "opt/agent/bin/link").symlink_to("../lib/a.txt")


def compile_(layer: CompiledLayer, into: Path) -> None:
    """What the stage of `COMPILED` does, as a host's tools would do it."""
    program = into / "out/app/program"
    program.parent.mkdir(parents=True)
    program.write_text("HELLO\n", encoding="utf-8")
    program.chmod(0o755)


def context_file(root: Path, path: str) -> ContextFile:
    """One file below ``root``, as a step's snapshot has it."""
    source = root / path
    data = source.read_bytes()
    executable = bool(source.stat().st_mode & stat.S_IXUSR)
    return ContextFile(path, "file", source, executable, size=len(data), sha256=hashlib.sha256(data).hexdigest())
