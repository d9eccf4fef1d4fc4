"""What a run does with its hands: tools for a step, the runner that works here, secrets, presence in the world."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import Digest, StoredImage
from aac_tasks.contracts.plan import STEP_KINDS, AgentPlan, Step
from aac_tasks.contracts.result import Artifact, Event, Result
from aac_tasks.errors import PluginError, StepError
from aac_tasks.failing import placed
from aac_tasks.run import Run
from aac_tasks.state.judge import Case
from aac_tasks.state.lock_file import NAME as LOCK_NAME
from aac_tasks.state.lock_file import read_lock, write_lock
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import Stamp
from aac_tasks.state.temporaries import made, sweep
from aac_tasks.steps.built import with_engine
from aac_tasks.steps.execute import Job, execute
from aac_tasks.steps.tools import StepTools, Workshop

if TYPE_CHECKING:
    from aac_tasks.contracts.actions import RunnerChoice
    from aac_tasks.contracts.engines import EngineBuilder
    from aac_tasks.contracts.roles import Runner
    from aac_tasks.settings import SharedPlace

PATIENCE = "AAC_SHARED_CACHE_TIMEOUT"


class Hands:
    """Made when the first step has to run or the world has to be asked."""

    def __init__(self, run: Run) -> None:
        self.run = run
        environment = dict(run.options.environment) or dict(os.environ)
        if run.registry_profile is not None:
            environment = run.registry_profile.allowing(environment)
        self.shop = Workshop(
            tell_output=lambda line: run.tell(Event("output", text=line)),
            blobs=run.blobs,
            scratch=run.blobs.scratch,
            cache=run.cache,
            environment=environment,
            cancelled=run.cancelled,
            resolve_secret=lambda ref: run.plugins.resolve_secret(ref),  # lazy: loads every plugin
            offline=run.options.offline,
        )
        made(run.cache)
        run.blobs.sweep()
        sweep(run.state.tmp)

    def tools(self, step_id: str, agent: str) -> StepTools:
        """Tools that speak for one step."""
        tell = self.run.tell
        return StepTools(
            shop=self.shop,
            root=self.run.root,
            state=self.run.state.agent(agent),
            tell_progress=lambda text, done, total: tell(Event("progress", step_id, text, data={"done": done, "total": total})),
            tell_note=lambda text: tell(Event("note", step_id, text)),
        )

    def cache_tools(self, place: SharedPlace) -> StepTools:
        """Tools for a shared cache: nobody waits long for what can be made here."""
        environment = {**self.shop.environment, "AAC_REGISTRY_TIMEOUT": self.shop.environment.get(PATIENCE) or "10"}
        if place.plain_http:
            listed = environment.get("AAC_INSECURE_REGISTRIES", "")
            environment["AAC_INSECURE_REGISTRIES"] = f"{listed},{place.name.partition('/')[0]}"
        return replace(self.tools("", "-"), shop=replace(self.shop, environment=environment))

    def execute(self, case: Case, agent: AgentPlan, previous: Stamp | None) -> Result:
        """Do a step's work, and say of a failure where in agent.yaml it comes from."""
        try:
            return self.do(case, agent, previous)
        except StepError as error:
            raise placed(self.run, error, agent) from error

    def do(self, case: Case, agent: AgentPlan, previous: Stamp | None) -> Result:
        """Do a step's work. What step lock decided is written by `write_lock`."""
        run = self.run
        folder = run.folder(agent)
        step = case.step
        lock = None
        if step.kind == "lock" and not run.options.update:
            lock = read_lock(folder / LOCK_NAME)
        tools = self.tools(step.id, step.agent)
        upstream = {s.kind: run.results[s.id].outputs for s in agent.before(step) if s.id in run.results}
        for one, known in _of_others(step, case.upstream).items():
            upstream[one] = run.results[one].outputs if one in run.results else known
        if step.kind not in STEP_KINDS:
            return run.plugins.run_step(replace(step, action=case.action), upstream, tools)
        job = Job(
            step=step,
            action=case.action,
            folder=folder,
            tools=tools,
            catalog=run.catalog,
            snapshot=case.snapshot,
            upstream=upstream,
            runner=lambda: self.runner,
            previous=_object(previous.result.outputs.get("data")) if previous else None,
            lock=lock,
            allow_host=self.allow_host,
            no_cache=run.options.no_cache,
        )
        return execute(job)

    def write_lock(self, agent: AgentPlan, result: Result) -> None:
        """Put the lock that step lock decided into agent.lock."""
        from aac_tasks.contracts.lock import Lock  # lazy: only step lock needs it

        write_lock(self.run.folder(agent) / LOCK_NAME, decode(Lock, result.outputs["lock"]), self.run.state.tmp)

    def redo(self, stamp: Stamp, agent: str, image: StoredImage) -> Result:
        """What a stamp tells of, with the runner of then."""
        run = self.run
        kind = stamp.step.partition(":")[0]
        runner = _object(stamp.action.get("runner")) or {}
        job = Job(
            step=Step(stamp.step, kind, agent, stamp.action),
            action=stamp.action,
            folder=run.root,
            tools=self.tools(stamp.step, agent),
            catalog=run.catalog,
            upstream={"image": {"image": encode(image)}, **_of_others(Step(stamp.step, kind, agent, None), stamp.upstream)},
            runner=lambda: run.catalog.runners.get(str(runner.get("name"))),
            previous=_object(stamp.result.outputs.get("data")),
        )
        return execute(job)

    def restored(self, case: Case, result: Result) -> Result:
        """A result out of the action cache: an engine that is to know the image is given it again, if it is there.

        A test's report is written anew.
        """
        step = case.step
        if step.kind == "test":
            from aac_tasks.contracts.actions import TestAction  # lazy: an edit → image run needs none of it
            from aac_tasks.steps.test import report_again

            report_again(decode(TestAction, case.action), result, self.tools(step.id, step.agent))
        if step.kind != "image":
            return result
        if not all(self.run.blobs.has(Digest(a.digest)) for a in result.artifacts):
            return result  # in a shared cache: who runs the image brings it
        builder = self.run.catalog.builders.get(str(result.outputs.get("builder")))
        return with_engine(result, builder, step.agent, self.tools(step.id, step.agent))

    def end_left_over(self, step: Step) -> None:
        """End what an earlier run of the step started and could not end because it was killed."""
        if step.kind == "test":
            from aac_tasks.steps.test import end_left_over  # lazy: an edit → image run needs none of it

            end_left_over(self.run.state.agent(step.agent), self.run.plugins.catalog.runners, self.tools(step.id, step.agent))

    # -- runner -------------------------------------------------------------------------------------------------

    @property
    def allow_host(self) -> bool:
        """Whether tests may run without isolation."""
        said = self.shop.environment.get("AAC_ALLOW_HOST", "") in ("1", "true")
        return self.run.options.allow_host or self.run.settings.allow_host or said

    @cached_property
    def runner_choice(self) -> RunnerChoice:
        """The first runner that works here, or the one that was asked for.

        Raises:
            StepError: none works; says why for each.
        """
        from aac_tasks.steps.choosing import Wish, choose_runner  # lazy: only for steps that run an image

        asked = self.run.options.runner or self.run.settings.runner
        record = self.run.state.path / "runner"
        table = self.run.catalog.runners
        said = record.read_text(encoding="utf-8", errors="replace").strip() if record.is_file() else ""
        last = said if said in table else ""  # torn, or not installed any more
        choice = choose_runner(table, Wish(asked, last, self.allow_host), self.tools("", "-"))
        why = choice.reason if asked or choice.name != last else "as last time"
        self.run.tell(Event("note", text=f"runner {choice.name} ({choice.isolation} isolation): {why}"))
        if not asked and choice.name != last:
            write_atomically(record, choice.name.encode())
        return choice

    @property
    def runner(self) -> Runner:
        """The chosen runner."""
        return self.run.catalog.runners.get(self.runner_choice.name)

    # -- presence -----------------------------------------------------------------------------------------------

    def missing(self, artifact: Artifact) -> str:
        """What is wrong with an artifact that only the world can tell of."""
        catalog = self.run.catalog
        tools = self.tools("", "-")
        try:
            if artifact.type == "tag":
                now = catalog.registries.get(artifact.where).resolve(artifact.name, tools)
                if now is None:
                    return f"{artifact.name} is gone from its registry"
                return "" if now == artifact.digest else f"{artifact.name} moved to {now[:19]}"
            if artifact.type == "instance":
                return self._instance(artifact)
            if artifact.type == "loaded":
                builder = catalog.builders.get(str(artifact.data.get("builder")))
                return cast("EngineBuilder", builder).holds(artifact, tools)
        except (StepError, PluginError) as error:
            return f"{artifact.name} can't be checked: {error}".partition("\n")[0]
        return ""

    def _instance(self, artifact: Artifact) -> str:
        from aac_tasks.contracts.running import Instance  # lazy: only who looks for instances

        instance = decode(Instance, artifact.data)
        runner = self.run.catalog.runners.get(instance.runner)
        state = runner.status(instance, self.tools("", "-")).state
        return "" if state == "running" else f"{artifact.name or instance.name} is not running ({state})"

    def remove_deployed(self, target: str, agent: str, data: JsonObject) -> None:
        """Stop what a deploy started."""
        catalog = self.run.catalog
        catalog.deployers.get(target).remove(data, self.tools(f"deploy:{agent}", agent), catalog.runners.get)

    def kill(self) -> None:
        """End children now."""
        self.shop.kill()

    def close(self) -> None:
        """End children that are still there."""
        self.shop.close()


def _of_others(step: Step, upstream: JsonObject) -> dict[str, dict[str, Json]]:
    """What it consumed of steps of other agents, by step."""
    found: dict[str, dict[str, Json]] = {}
    for name, value in upstream.items():
        one, _, output = name.rpartition("/")
        if one.partition(":")[2] != step.agent:
            found.setdefault(one, {})[output] = value
    return found


def _object(value: object) -> JsonObject | None:
    return value if isinstance(value, dict) else None
