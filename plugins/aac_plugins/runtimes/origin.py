"""Where the first layers of a language come from: Debian's own packages, the official image, or ``build.baseImage``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aac_tasks.contracts.image import ImageRef
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.contracts.recipe import CommandLayer, Run
from aac_tasks.contracts.spec import AgentSpec

DEBIAN = "debian:trixie"

SYSTEM_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The official images' PATH begins with /usr/local/bin, where their language is; Debian's base has nothing there."""

EPOCH = 315532800
"""1980-01-01, the first date that a zip file can hold (https://reproducible-builds.org/specs/source-date-epoch/)."""

PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*(=[\w.+:~-]+)?")
"""A Debian package's name (policy 5.6.1), with a version where the author wants one."""


@dataclass(frozen=True)
class Language:
    """A language that Debian packages and Docker Hub has an official image of.

    ``runtime`` is its name in agent.yaml, ``title`` the one for people, ``image`` the official image with an ``example`` of
    its tags, ``program`` what runs an agent.
    """

    runtime: str
    title: str
    image: str
    example: str
    program: str

    def asked(self, spec: AgentSpec) -> tuple[BaseRequest, list[tuple[str, str]]]:
        """What to lock, and what is wrong with it as (spec path, message) pairs."""
        packages = spec.build.system_packages
        problems = [
            (f"spec.build.systemPackages[{i}]", f"{p!r} is not a Debian package's name; expected as in libpq5")
            for i, p in enumerate(packages)
            if not PACKAGE.fullmatch(p)
        ]
        base, reference = "debian", DEBIAN
        try:
            base, reference = self._where(spec)
        except ValueError as error:
            path = "spec.build.baseImage" if spec.build.base_image else "spec.runtime"
            problems.append((path, f"{error}; expected as in {self.image}:{self.example}, {DEBIAN} or oci:FOLDER"))
        if base == "scratch":
            message = f"scratch has no {self.title}; leave baseImage out for a minimal base that has"
            problems.append(("spec.build.baseImage", message))
        return BaseRequest(base, reference, packages, self.runtime, number(spec.version)), problems

    def _where(self, spec: AgentSpec) -> tuple[str, str]:
        """(base plugin, reference); ValueError when it is no image's name."""
        image = spec.build.base_image
        if image == "scratch":
            return "scratch", image
        for prefix, base in (("oci:", "layout"), ("debian:", "debian")):
            if image.startswith(prefix):
                return base, image
        if image:
            return "registry", str(ImageRef.parse(image))
        if not spec.version:
            return "debian", DEBIAN
        tag = spec.version if "-" in spec.version else f"{spec.version}-slim"
        return "registry", str(ImageRef("docker.io", f"library/{self.image}", tag))

    def interpreter(self, base: LockedBase) -> str:
        """Where ``base`` has it: what its facts say, the official images' place, or Debian's."""
        if base.facts.get(self.runtime):
            return base.facts[self.runtime]
        official = base.base == "registry" and base.reference.split("@")[0].split(":")[0].rsplit("/", 1)[-1] == self.image
        return f"/usr/local/bin/{self.program}" if official else f"/usr/bin/{self.program}"


def number(version: str) -> str:
    """The plain number at the beginning of a version: ``3.12`` of ``3.12-alpine``."""
    found = re.match(r"[\d.]*", version)
    return found.group(0).rstrip(".") if found else ""


def apt(spec: AgentSpec, base: LockedBase, *command: str) -> tuple[CommandLayer, ...]:
    """The layer of ``build.systemPackages`` where Debian's base does not have them already: ``command`` with their names.

    Only an engine can do this; its package versions are those of the day.
    """
    packages = spec.build.system_packages
    if not packages or base.base == "debian":
        return ()
    return (CommandLayer((Run((*command, *sorted(packages)), {"DEBIAN_FRONTEND": "noninteractive"}),)),)
