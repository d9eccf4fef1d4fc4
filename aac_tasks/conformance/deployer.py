"""Any deployer whose target is this machine: one agent answers after each deploy, and nothing is left when it is removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from aac_tasks.conformance.stage import WEB, Stage, shell
from aac_tasks.contracts.actions import DeployAction, InstanceSpec, PortMapping
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import HealthProbe, ImageConfig
from aac_tasks.contracts.running import Deployed, Deployer, DeployRequest, Instance, Runner
from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.health import Watch, wait_until_well

PORT = 8080


@dataclass
class DeployerUnderTest:
    """A deployer, the runner that it is lent, and a stage to do it on. ``timeout`` in seconds until an agent counts as ill."""

    deployer: Deployer
    runner: Runner
    stage: Stage
    timeout: float = 10.0
    said: dict[str, Json] = field(default_factory=dict)

    def deploy(self, config: ImageConfig, page: str) -> Deployed:
        """An agent whose page says ``page``."""
        probe = HealthProbe("http", path="/", port=PORT)
        spec = InstanceSpec("agent", ports=(PortMapping(PORT),), probe=probe)

        def well(instance: Instance, log: Path) -> None:
            wait_until_well(Watch(self.runner, instance, probe, log, (), self.timeout), self.stage.tools)

        request = DeployRequest(
            action=DeployAction(self.deployer.name, spec),
            image=self.stage.image(config, {"www/index.html": page.encode()}),
            config=config,
            runner=self.runner,
            runners=lambda name: self.runner,
            resolve_env=lambda instance: {"TOKEN": "not to be stored"},
            wait_until_well=well,
            previous=self.said,
        )
        deployed = self.deployer.deploy(request, self.stage.tools)
        self.said = dict(deployed.data)
        return deployed

    def state(self) -> str:
        """What the deployer says of it."""
        return self.deployer.status(self.said, self.stage.tools, lambda name: self.runner).state

    def page(self, deployed: Deployed) -> str:
        """What the agent answers."""
        with self.stage.tools.http(HttpRequest("GET", f"{deployed.url}/index.html")) as response:
            return response.read().decode()

    def remove(self) -> None:
        """Have it taken away."""
        self.deployer.remove(self.said, self.stage.tools, lambda name: self.runner)


class DeployerConformance:
    """Subclass it with a fixture ``subject``; what was deployed is removed at the end of each test."""

    @pytest.fixture
    def deployed(self, subject: DeployerUnderTest) -> Iterator[DeployerUnderTest]:
        """The subject, with one agent that answers."""
        first = subject.deploy(WEB, "one")
        assert subject.page(first) == "one"
        yield subject
        subject.timeout = 10.0
        subject.remove()

    def test_what_is_deployed_runs_and_is_gone_when_it_is_removed(self, deployed: DeployerUnderTest) -> None:
        """``status`` tells both."""
        assert deployed.state() == "running"
        deployed.remove()
        assert deployed.state() == "gone"

    def test_the_next_deploy_takes_over(self, deployed: DeployerUnderTest) -> None:
        """And what ran before does not answer beside it."""
        second = deployed.deploy(WEB, "two")
        assert deployed.page(second) == "two"
        assert deployed.state() == "running"

    def test_one_that_never_becomes_well_leaves_what_ran_before(self, deployed: DeployerUnderTest) -> None:
        """StepError, and the old one still runs."""
        deployed.timeout = 1.0
        with pytest.raises(StepError):
            deployed.deploy(shell("sleep 60"), "two")
        assert deployed.state() == "running"

    def test_its_log_can_be_read(self, deployed: DeployerUnderTest) -> None:
        """From its first line, while it runs."""
        second = deployed.deploy(shell('echo I am here; exec httpd -f -p "127.0.0.1:${PORT:-8080}" -h "$WWW"'), "two")
        assert deployed.page(second) == "two"
        with deployed.deployer.logs(deployed.said, deployed.stage.tools, lambda name: deployed.runner) as log:
            assert b"I am here" in log.read()

    def test_no_secret_is_in_what_it_keeps(self, deployed: DeployerUnderTest) -> None:
        """Neither in its data nor in the agent's state folder."""
        state = deployed.stage.tools.state
        kept = [str(deployed.said).encode(), *(path.read_bytes() for path in state.rglob("*.json") if path.is_file())]
        assert all(b"not to be stored" not in text for text in kept)
