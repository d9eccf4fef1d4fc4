"""After a run that succeeded: write down what its outcome rests on, so that the next one can be answered by stats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.plan import Plan, Step
from aac_tasks.contracts.result import Artifact
from aac_tasks.fast import SAID, SAYS_PER_AGENT, UNKNOWN, line_of
from aac_tasks.state.manifest import Evidence, write_manifest

if TYPE_CHECKING:
    from aac_tasks.session import Session

KINDS = {"build": "image", "test": "test", "lock": "lock", "doit": "test"}
"""The last step of what a command line runs; ``doit`` alone is its default tasks."""

UNIX, FILE = "unix://", "file:"


def conclude(session: Session, arguments: Sequence[str]) -> bool:
    """Write the manifest of ``arguments`` when files alone can vouch for the outcome; whether it was written."""
    last = KINDS.get(arguments[0], "") if arguments else ""
    if session.options.no_cache or not last or (arguments[0] not in SAID and list(arguments) != ["doit"]):
        return False
    plan = session.plan()
    steps = [s for s in plan.steps if s.id in session.results]
    wanted = {s.kind for s in steps}
    artifacts = [a for s in steps for a in session.results[s.id].artifacts]
    images = tuple(_in_engines(artifacts))
    vouched = sum(1 for a in artifacts if a.type in ("file", "blob") or a.where.startswith(FILE)) + len(images)
    if not session.workspace.settled or last not in wanted or vouched != len(artifacts):
        return False  # tags, instances and engines elsewhere can be seen neither with a stat nor at a socket
    if any(session.judging.stamps(s).identity() != session.stamped.get(s.id) for s in steps):
        return False  # another run wrote it since: what it vouches for is not what was said here
    evidence = Evidence(
        inputs=dict(session.workspace.seen),
        outputs=tuple(_outputs(session, steps)),
        started_ns=session.started_ns,
        said=_said(session, plan, last),
        images=images,
        steps="\x1e".join(s.id if s.id in session.results else f"{UNKNOWN}{s.id}" for s in plan.steps),
    )
    return write_manifest(session.state, list(arguments), evidence)


def _in_engines(artifacts: Sequence[Artifact]) -> Iterator[tuple[str, str, str]]:
    """Socket, name and id of each image in an engine of this machine."""
    for artifact in artifacts:
        if artifact.type == "loaded" and artifact.where.startswith(UNIX):
            yield artifact.where.removeprefix(UNIX), artifact.name, artifact.digest


def _outputs(session: Session, steps: Sequence[Step]) -> Iterator[Path]:
    yield session.state.path / "version"
    for step in steps:
        yield session.state.step(step.agent, step.kind) / "stamp"
        for artifact in session.results[step.id].artifacts:
            if artifact.type != "loaded":
                yield _place(session, artifact)
            elif artifact.where.startswith(FILE):
                yield Path(artifact.where.removeprefix(FILE))


def _place(session: Session, artifact: Artifact) -> Path:
    return session.blobs.path(Digest(artifact.digest)) if artifact.type == "blob" else session.root / artifact.name


def _said(session: Session, plan: Plan, last: str) -> str:
    names = [a.agent for a in plan.agents if f"{last}:{a.agent}" in session.results]
    if len(names) > SAYS_PER_AGENT:
        return f"{len(names)} agents up to date\n"
    return "".join(line_of(last, name, _digest(session, name)) for name in names)


def _digest(session: Session, agent: str) -> str:
    result = session.results.get(f"image:{agent}")
    return str(result.outputs.get("digest", "")) if result else ""
