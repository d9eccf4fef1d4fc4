"""Any runtime: planning is pure, what is locked is pinned, and installing it twice gives the same files."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aac_tasks.conformance.lending import Lending, Lent
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.lock import LockedBase, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import ApplicationLayer, CompiledLayer, DependencyLayer, Recipe
from aac_tasks.contracts.roles import Follower, Runtime
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.plan.dockerfile import render

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RuntimeUnderTest:
    """A runtime, a ``spec`` that it can build, the agent's ``files`` (path → text), and a locked ``base`` to build on."""

    runtime: Runtime
    spec: AgentSpec
    base: LockedBase
    files: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> Facts:
        """What planning may know of ``files``: the texts of those that the runtime wants, and which of them exist."""
        known = self._known(self.runtime.wants(self.spec))
        follower = cast("Follower", self.runtime) if hasattr(self.runtime, "follows") else None
        while follower and (more := self._more(follower.follows(self.spec, known)) - known.texts.keys()):
            known = self._known((*known.texts, *more))
        return known

    def _more(self, names: Iterable[str]) -> set[str]:
        return {found for name in names for found in (fnmatch.filter(self.files, name) if "*" in name else (name,))}

    def _known(self, wanted: Iterable[str]) -> Facts:
        texts = {name: self.files.get(name) for name in wanted}
        return Facts(Path("the agent's folder"), texts, frozenset(n for n in texts if n in self.files))


class RuntimeConformance(Lending):
    """Subclass it with a fixture ``subject``; resolving and installing may ask the language's own servers."""

    def test_it_plans_without_problems_and_the_same_each_time(self, subject: RuntimeUnderTest) -> None:
        """``plan`` is pure, and says how the agent starts."""
        plan = subject.runtime.plan(subject.spec, subject.facts())
        assert plan.problems == ()
        assert plan == subject.runtime.plan(subject.spec, subject.facts())

    def test_what_is_locked_is_pinned_and_survives_the_lock_file(self, subject: RuntimeUnderTest, lent: Lent) -> None:
        """Each file has an address and a SHA-256; what is read back is what was written."""
        locked = self._locked(subject, lent)
        for file in locked.dependencies.files:
            assert _SHA256.fullmatch(file.sha256), file
            assert file.url.startswith(("https://", "http://")), file
            assert "@" not in file.url.split("/")[2], "no credentials in a lock"
        assert decode(LockedPlatform, encode(locked)) == locked

    def test_its_recipe_starts_something_and_can_be_written_as_a_dockerfile(
        self, subject: RuntimeUnderTest, lent: Lent
    ) -> None:
        """The layer that changes most comes last, and every command is in exec form."""
        recipe = self._recipe(subject, lent)
        assert recipe.entrypoint
        assert isinstance(recipe.layers[-1], ApplicationLayer | CompiledLayer)
        assert recipe == self._recipe(subject, lent)
        assert "\nENTRYPOINT [" in render(recipe, lambda base: "localhost/base:1")

    def test_a_port_is_probed_without_a_shell(self, subject: RuntimeUnderTest, lent: Lent) -> None:
        """The image has neither shell nor curl: the probe is the language's own program."""
        probe = self._recipe(subject, lent).probe
        if subject.spec.ports or subject.spec.health_check:
            assert probe is not None
            assert probe.command
            assert Path(probe.command[0]).name not in ("sh", "bash", "curl", "wget")

    def test_installing_twice_gives_the_same_files(self, subject: RuntimeUnderTest, lent: Lent, tmp_path: Path) -> None:
        """Names, bytes, executable bits and links; no path of this machine."""
        locked = self._locked(subject, lent)
        recipe = self._recipe(subject, lent)
        roots = [tmp_path / "one", tmp_path / "a longer name for the other"]
        for root in roots:
            root.mkdir()
            subject.runtime.install(locked.dependencies, subject.base, root, lent.tools)
        first, second = (list(_tree(root)) for root in roots)
        assert first == second
        if any(isinstance(layer, DependencyLayer) for layer in recipe.layers):
            assert first

    def _locked(self, subject: RuntimeUnderTest, lent: Lent) -> LockedPlatform:
        plan = subject.runtime.plan(subject.spec, subject.facts())
        dependencies = subject.runtime.resolve(plan.dependencies, subject.base, lent.tools)
        return LockedPlatform(subject.base.platform, subject.base, dependencies)

    def _recipe(self, subject: RuntimeUnderTest, lent: Lent) -> Recipe:
        return subject.runtime.recipe(subject.spec, subject.facts(), self._locked(subject, lent))


def _tree(root: Path) -> Sequence[tuple[str, str]]:
    """Path and content of everything below ``root``, sorted."""
    return [(path.relative_to(root).as_posix(), _content(path)) for path in sorted(root.rglob("*"))]


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"link {path.readlink()}"
    if path.is_dir():
        return "folder"
    kind = "program" if path.stat().st_mode & 0o100 else "file"
    return f"{kind} {hashlib.sha256(path.read_bytes()).hexdigest()}"
