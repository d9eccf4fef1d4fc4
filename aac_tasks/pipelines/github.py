"""GitHub Actions: a first job asks which agents are affected, a matrix has one job for each of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import indent

from aac_tasks.pipelines.vendor import JUNIT, Share, Vendor, Wish

FILE = ".github/workflows/agents.yml"

_TEXT = """\
name: agents
on:
  push:
    branches: [{branch}]
  pull_request:
  workflow_dispatch: # tests every agent
permissions:
  contents: read{packages}
concurrency:
  group: agents-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}
{env}{defaults}jobs:
  plan:
    runs-on: {machine}
    timeout-minutes: 10
    outputs:
      jobs: ${{{{ steps.plan.outputs.jobs }}}}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0 # what changed since another commit can only be said with that commit
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: {pip}
      - id: plan
        env:
          SINCE: ${{{{ github.event.pull_request.base.sha || github.event.before }}}}
        run: |
          jobs=$(agent ci {words} --since "$SINCE")
          echo "jobs=$jobs" >> "$GITHUB_OUTPUT"

  agent:
    needs: plan
    if: needs.plan.outputs.jobs != '[]'
    name: ${{{{ matrix.job.name }}}}
    runs-on: {machine}
    timeout-minutes: 60
    strategy:
      fail-fast: false
      matrix:
        job: ${{{{ fromJSON(needs.plan.outputs.jobs) }}}}
    env:
      AGENTS: ${{{{ matrix.job.agents }}}}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - uses: actions/cache@v4
        with:
          path: ~/.cache/aac
          key: aac-${{{{ runner.os }}}}-${{{{ matrix.job.name }}}}-${{{{ github.sha }}}}
          restore-keys: |
            aac-${{{{ runner.os }}}}-${{{{ matrix.job.name }}}}-
            aac-${{{{ runner.os }}}}-
      - run: {pip}
      - run: agent test $AGENTS
{push}      - uses: actions/upload-artifact@v4
        if: ${{{{ !cancelled() }}}}
        with:
          name: junit-${{{{ matrix.job.name }}}}
          path: {junit}
          include-hidden-files: true
          if-no-files-found: ignore

  agents: # the one check to require: jobs of a matrix come and go
    needs: [plan, agent]
    if: ${{{{ always() }}}}
    runs-on: {machine}
    timeout-minutes: 5
    steps:
      - run: exit 1
        if: contains(needs.*.result, 'failure') || contains(needs.*.result, 'cancelled')
"""

_PUSH = """\
- if: github.event_name != 'pull_request'
  env:
    AGENT_REGISTRY_TOKEN: ${{ secrets.AGENT_REGISTRY_TOKEN || format('{0}:{1}', github.actor, github.token) }}
    AGENT_REGISTRY_URL: ${{ vars.AGENT_REGISTRY_URL }}
  run: |
    export AGENT_REGISTRY_URL="${AGENT_REGISTRY_URL:-ghcr.io/${GITHUB_REPOSITORY,,}}"
    agent push $AGENTS
"""


def write(wish: Wish) -> str:
    """The workflow."""
    return wish.head("github") + _TEXT.format(
        branch=json.dumps(wish.branch),
        machine=json.dumps(wish.machine or "ubuntu-latest"),
        pip=json.dumps(wish.pip),
        words=wish.words("github"),
        env='env:\n  AAC_ALLOW_HOST: "1"\n' if wish.allow_host else "",
        defaults=f"defaults:\n  run:\n    working-directory: {json.dumps(wish.folder)}\n" if wish.folder else "",
        packages="\n  packages: write" if wish.push else "",
        push=indent(_PUSH, " " * 6) if wish.push else "",
        junit=json.dumps(wish.below(JUNIT)),
    )


def jobs(parts: Sequence[Share], wish: Wish) -> str:
    """The matrix, on one line."""
    return json.dumps([{"name": part.name, "agents": " ".join(part.agents)} for part in parts])


GITHUB = Vendor("github", "GitHub Actions", FILE, write, jobs)
