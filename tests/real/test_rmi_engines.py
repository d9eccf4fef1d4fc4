"""`agent rmi` of an image that engines have too: it goes there as well, or nothing goes anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from real.small_agent import small_agent

from aac_tasks.testing import Project, Ran

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@dataclass(frozen=True)
class Owner:
    """A user whose agent ran in an engine, which has its image since then."""

    project: Project
    name: str
    engine: str
    tool: Callable[..., Ran]

    @property
    def image(self) -> str:
        return f"{self.name}:1.0.0"

    def has(self, image: str) -> bool:
        return self.tool("image", "inspect", image).exit_code == 0


@pytest.fixture(params=["docker", "podman"])
def owner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Owner]:
    if request.param == "docker":
        server = request.getfixturevalue("docker_engine")
        tool = server.docker
    else:
        server = request.getfixturevalue("podman")
        tool = server.run
    project, name, _ = small_agent(tmp_path, request.param)
    project = replace(project, env={**project.env, **{k: v for k, v in server.env.items() if k != "HOME"}})
    project.agent("run", "-q", name, "--", "end").exits(5)
    made = Owner(project, name, request.param, tool)
    image = json.loads(project.agent("images", "--json").ok().stdout)["images"][0]["names"][0]
    assert image == made.image
    assert made.has(made.image)
    yield made
    tool("rmi", "--force", made.image)


def test_an_image_goes_from_the_engine_that_has_it_and_that_is_said(owner: Owner) -> None:
    owner.tool("tag", owner.image, f"{owner.name}:mine").ok()
    said = owner.project.agent("rmi", owner.image).ok().stdout
    assert said.startswith(f"removed {owner.image}, ")
    assert said.endswith(f"\nremoved {owner.image} from {owner.engine}\n")
    assert not owner.has(owner.image)
    assert owner.has(f"{owner.name}:mine"), "a name that somebody else gave"
    owner.tool("rmi", f"{owner.name}:mine").ok()


def test_another_image_under_that_name_stays(owner: Owner) -> None:
    owner.project.write({"main.sh": f"{owner.project.read('main.sh')}# edited\n"})
    owner.project.agent("build", "--builder", "embedded", "-q").ok()
    assert "from" not in owner.project.agent("rmi", owner.image).ok().stdout
    assert owner.has(owner.image)


def test_while_a_container_was_made_of_it_nothing_is_removed_unless_forced(owner: Owner) -> None:
    owner.tool("create", "--name", f"{owner.name}-other", owner.image).ok()
    try:
        said = owner.project.agent("rmi", owner.image).exits(1)
        assert f"is what container {owner.name}-other of {owner.engine} was made of, so nothing was removed" in said.stderr
        assert owner.has(owner.image)
        assert owner.image in owner.project.agent("images").ok().stdout
    finally:
        owner.tool("rm", "--force", f"{owner.name}-other").ok()
    removed = json.loads(owner.project.agent("rmi", "--json", owner.name).ok().stdout)["removed"]
    assert [one["engines"] for one in removed] == [[{"engine": owner.engine, "name": owner.image}]]
    assert not owner.has(owner.image)
