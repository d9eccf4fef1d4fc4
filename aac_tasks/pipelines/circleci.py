"""CircleCI: a setup job writes the configuration to go on with, which has one job for each affected agent.

Source: https://circleci.com/docs/guides/orchestrate/dynamic-config/
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from aac_tasks.pipelines.vendor import NOTHING, Share, Vendor, Wish

FILE = ".circleci/config.yml"
NEXT = "agents.circleci.yml"
"""The configuration to go on with, in the setup job's folder."""

_TEXT = """\
version: 2.1
setup: true
orbs:
  continuation: circleci/continuation@1
jobs:
  plan:
    docker:
      - image: {machine}
    steps:
      - checkout
      - run: {pip}
      - run:
          name: which agents are affected
          environment:
            BEFORE: "<< pipeline.git.base_revision >>" # the last build of the branch, empty for its first
          command: |
            [ "$CIRCLE_BRANCH" = {branch} ] || BEFORE=$(git merge-base origin/{branch} HEAD || true)
            ({cd}agent ci {words} --since "$BEFORE") > {next}
      - continuation/continue:
          configuration_path: {next}
workflows:
  plan:
    jobs: [plan]
"""

_NEXT = """\
version: 2.1
jobs:
  agent:
    parameters:
      key: {{type: string}}
      agents: {{type: string}}
    docker:
      - image: {machine}
    environment:
      AGENTS: << parameters.agents >>
{host}    steps:
      - checkout
      - restore_cache:
          keys: [aac-<< parameters.key >>-, aac-]
      - run: {pip}
      - run: {test}
{push}      - save_cache:
          key: aac-<< parameters.key >>-{{{{ .Revision }}}}
          paths: [~/.cache/aac]
      - store_test_results:
          path: {reports}
  nothing:
    docker:
      - image: {machine}
    steps:
      - run: {nothing}
workflows:
  agents:
    jobs:
{jobs}"""

_JOB = """\
      - agent: {{name: {name}, key: {key}, agents: {agents}}}
"""

_PUSH = """\
      - run: |
          if [ "$CIRCLE_BRANCH" = {branch} ]; then
            {cd}agent push $AGENTS
          fi
"""


def write(wish: Wish) -> str:
    """The configuration whose job asks for the other one."""
    return wish.head("circleci") + _TEXT.format(words=wish.words("circleci"), next=NEXT, **_shared(wish))


def jobs(parts: Sequence[Share], wish: Wish) -> str:
    """The configuration to go on with. CircleCI refuses one without a job."""
    shared = _shared(wish)
    made = [
        _JOB.format(name=json.dumps(f"agent {part.name}"), key=json.dumps(part.name), agents=json.dumps(" ".join(part.agents)))
        for part in parts
    ]
    return _NEXT.format(
        host='      AAC_ALLOW_HOST: "1"\n' if wish.allow_host else "",
        test=json.dumps(f"{shared['cd']}agent test $AGENTS"),
        push=_PUSH.format(**shared) if wish.push else "",
        reports=json.dumps(wish.below(".aac/agents")),
        nothing=json.dumps(f'echo "{NOTHING}"'),
        jobs="".join(made) or "      - nothing\n",
        **shared,
    )


def _shared(wish: Wish) -> dict[str, str]:
    return {
        "machine": json.dumps(wish.machine or "cimg/python:3.12"),
        "branch": shlex.quote(wish.branch),
        "pip": json.dumps(wish.pip),
        "cd": f"cd {shlex.quote(wish.folder)} && " if wish.folder else "",
    }


CIRCLECI = Vendor("circleci", "CircleCI", FILE, write, jobs)
