"""GitLab CI: a first job writes a child pipeline with one job for each affected agent, a second one starts it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from aac_tasks.pipelines.vendor import JUNIT, NOTHING, Share, Vendor, Wish

FILE = ".gitlab-ci.yml"
CHILD = "agents.gitlab-ci.yml"
"""The child pipeline, an artifact of the first job."""

QUALITY = "gl-code-quality-report.json"

_TEXT = """\
workflow:
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == {branch}
stages: [plan, agents]
default:
  image: {machine}

plan:
  stage: plan
  timeout: 10 minutes
  variables:
    GIT_DEPTH: "0" # what changed since another commit can only be said with that commit
    AAC_CODE_QUALITY: $CI_PROJECT_DIR/{quality}
  script:
    - {pip}
{cd}    - agent ci {words} --since "${{CI_MERGE_REQUEST_DIFF_BASE_SHA:-$CI_COMMIT_BEFORE_SHA}}" > "$CI_PROJECT_DIR/{child}"
  artifacts:
    when: always
    paths: [{child}]
    reports:
      codequality: {quality}

agents:
  stage: agents
  needs: [plan]
  trigger:
    include:
      - artifact: {child}
        job: plan
    strategy: depend
"""

_CHILD = """\
workflow:
  rules:
    - when: always
stages: [agents]
default:
  image: {machine}
variables:
  AAC_CACHE_DIR: $CI_PROJECT_DIR/{cache}
  AAC_CODE_QUALITY: $CI_PROJECT_DIR/{quality}
{host}
.agent:
  stage: agents
  timeout: 1 hour
  cache:
    key: aac-$CI_JOB_NAME_SLUG
    when: always
    paths: [{cache}]
  script:
    - {pip}
{cd}    - agent test $AGENTS
{push}  artifacts:
    when: always
    reports:
      junit: {junit}
      codequality: {quality}
"""

_JOB = """
{name}:
  extends: .agent
  variables:
    AGENTS: {agents}
"""

_NOTHING = f"""
nothing changed:
  stage: agents
  script:
    - echo "{NOTHING}"
"""

_PUSH = """\
    - |
      if [ "$CI_COMMIT_BRANCH" = {branch} ]; then
        export AGENT_REGISTRY_URL="${{AGENT_REGISTRY_URL:-$CI_REGISTRY_IMAGE}}"
        export AGENT_REGISTRY_TOKEN="${{AGENT_REGISTRY_TOKEN:-$CI_REGISTRY_USER:$CI_REGISTRY_PASSWORD}}"
        agent push $AGENTS
      fi
"""


def write(wish: Wish) -> str:
    """The pipeline that starts the other one."""
    return wish.head("gitlab") + _TEXT.format(
        branch=json.dumps(wish.branch), words=wish.words("gitlab"), child=CHILD, **_shared(wish)
    )


def jobs(parts: Sequence[Share], wish: Wish) -> str:
    """The child pipeline. GitLab refuses one without a job."""
    shared = _shared(wish)
    text = _CHILD.format(
        cache=wish.below(".aac/cache"),  # GitLab keeps nothing that lies outside of the project
        host='  AAC_ALLOW_HOST: "1"\n' if wish.allow_host else "",
        push=_PUSH.format(branch=json.dumps(wish.branch)) if wish.push else "",
        junit=json.dumps(wish.below(JUNIT)),
        **shared,
    )
    made = [_JOB.format(name=json.dumps(f"agent {p.name}"), agents=json.dumps(" ".join(p.agents))) for p in parts]
    return text + ("".join(made) or _NOTHING)


def _shared(wish: Wish) -> dict[str, str]:
    return {
        "machine": json.dumps(wish.machine or "python:3.12"),
        "pip": json.dumps(wish.pip),
        "cd": f"    - {json.dumps(f'cd {shlex.quote(wish.folder)}')}\n" if wish.folder else "",
        "quality": QUALITY,
    }


GITLAB = Vendor("gitlab", "GitLab CI", FILE, write, jobs)
