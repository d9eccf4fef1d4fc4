"""After a run that succeeded: write down what its outcome rests on, so that the next one can be answered by stats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.plan import STEP_KINDS, AgentPlan, Step
from aac_tasks.contracts.result import Artifact
from aac_tasks.fast import SAYS_PER_AGENT, UNKNOWN, line_of
from aac_tasks.state.manifest import NEVER, AgentEvidence, Evidence, Numbers, Untouched, described, numbers_of, write_manifest

if TYPE_CHECKING:
    from aac_tasks.session import Session

KINDS = {"build": "image", "test": "test", "lock": "lock"}
"""The last step of what a command runs."""

UNIX, FILE = "unix://", "file:"
DOUBT: Mapping[str, Numbers] = {"": NEVER}


def conclude(session: Session, arguments: Sequence[str]) -> bool:
    """Write the manifest of ``arguments`` when files alone can vouch for the outcome; whether it was written."""
    last = _last(session) if arguments[:1] == ["doit"] else KINDS.get(arguments[0], "") if arguments else ""
    if session.options.no_cache or not last:
        return False
    workspace, untouched = session.workspace, session.untouched or Untouched()
    code = numbers_of({**workspace.common, **workspace.cache.code}, session.started_ns)
    if code is None or "" in workspace.unsettled:
        return False
    plans, known = session.plan().agents, untouched.evidence
    mine, others = _by_agent(session, [*(p.folder for p in plans), *(a.folder for a in untouched.agents)])
    agents = [_evidence(session, plan, last, mine.get(plan.folder, {})) for plan in plans]
    agents = [*_with_others(plans, agents), *known.agents]
    if not any(f"{last}:{agent.name}" in agent.steps for agent in agents):
        return False
    agents.sort(key=lambda agent: agent.folder)
    listed = numbers_of(others, session.started_ns)
    common = {**code, **dict(described([session.state.path / "version"])), **known.common}
    evidence = Evidence(common, DOUBT if listed is None else {**known.listed, **listed}, tuple(agents), _said(agents, last))
    return write_manifest(session.state, list(arguments), evidence)


def _last(session: Session) -> str:
    """Of doit's tasks: the last kind that this run or an untouched agent came to."""
    untouched = session.untouched.agents if session.untouched else ()
    done = {step.partition(":")[0] for step in (*session.results, *(s for a in untouched for s in a.steps))}
    return max(done.intersection(STEP_KINDS), key=STEP_KINDS.index, default="")


def _by_agent(session: Session, folders: Sequence[str]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Folders that were listed to find agents: by the folder of the agent that they lie in, and those in none."""
    root = str(session.root)
    tops = {f"{root}/{folder}" if folder else root: folder for folder in folders}
    mine: dict[str, dict[str, str]] = {}
    others: dict[str, str] = {}
    for path, ident in session.workspace.listed.items():
        top = path
        while top and top not in tops:
            top = top.rpartition("/")[0]
        (mine.setdefault(tops[top], {}) if top else others)[path] = ident
    return mine, others


def _evidence(session: Session, plan: AgentPlan, last: str, listed: Mapping[str, str]) -> AgentEvidence:
    """What one agent's outcome rests on; doubt where files can't tell: tags, instances, engines elsewhere."""
    done = [s for s in plan.steps if s.id in session.results]
    artifacts = [a for s in done for a in session.results[s.id].artifacts]
    images = tuple(_in_engines(artifacts))
    vouched = sum(1 for a in artifacts if a.type in ("file", "blob") or a.where.startswith(FILE)) + len(images)
    seen = numbers_of({**listed, **session.workspace.seen.get(plan.agent, {})}, session.started_ns)
    overtaken = any(session.judging.stamps(s).identity() != session.stamped.get(s.id) for s in done)  # by another run
    if seen is None or plan.agent in session.workspace.unsettled or vouched != len(artifacts) or overtaken:
        seen = DOUBT
    elif done:
        seen = {**dict(described(_outputs(session, done))), **seen}
    steps = tuple(s.id if s.id in session.results else f"{UNKNOWN}{s.id}" for s in plan.steps)
    said = line_of(last, plan.agent, _digest(session, plan.agent)) if f"{last}:{plan.agent}" in session.results else ""
    return AgentEvidence(plan.agent, plan.folder, plan.file, seen, said.rstrip("\n"), steps, images)


def _with_others(plans: Sequence[AgentPlan], agents: Sequence[AgentEvidence]) -> Iterable[AgentEvidence]:
    """Whoever needs other agents rests on what those rest on; they come first."""
    found: dict[str, AgentEvidence] = {}
    for plan, agent in zip(plans, agents, strict=True):
        every = [*(found[other] for other in plan.others), agent]
        if len(every) > 1:
            seen = {path: numbers for one in every for path, numbers in one.seen.items()}
            agent = replace(agent, seen=seen, images=tuple(dict.fromkeys(image for one in every for image in one.images)))
        found[plan.agent] = agent
    return found.values()


def _in_engines(artifacts: Sequence[Artifact]) -> Iterator[tuple[str, str, str]]:
    """Socket, name and id of each image in an engine of this machine."""
    for artifact in artifacts:
        if artifact.type == "loaded" and artifact.where.startswith(UNIX):
            yield artifact.where.removeprefix(UNIX), artifact.name, artifact.digest


def _outputs(session: Session, steps: Sequence[Step]) -> Iterator[Path]:
    for step in steps:
        yield session.state.step(step.agent, step.kind) / "stamp"
        for artifact in session.results[step.id].artifacts:
            if artifact.type != "loaded":
                yield _place(session, artifact)
            elif artifact.where.startswith(FILE):
                yield Path(artifact.where.removeprefix(FILE))


def _place(session: Session, artifact: Artifact) -> Path:
    return session.blobs.path(Digest(artifact.digest)) if artifact.type == "blob" else session.root / artifact.name


def _said(agents: Sequence[AgentEvidence], last: str) -> str:
    lines = [agent.said for agent in agents if f"{last}:{agent.name}" in agent.steps]
    return f"{len(lines)} agents up to date\n" if len(lines) > SAYS_PER_AGENT else "".join(f"{line}\n" for line in lines)


def _digest(session: Session, agent: str) -> str:
    result = session.results.get(f"image:{agent}")
    return str(result.outputs.get("digest", "")) if result else ""
