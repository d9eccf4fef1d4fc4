"""What a doit user expects of doit, through the real command."""

from __future__ import annotations

import json
import time

import pytest

from aac_tasks.testing import Project

pytestmark = pytest.mark.network

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: NAME, version: 1.0.0, description: first}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  image: {registry: "oci:dist"}
"""


def agent(name: str = "bot") -> dict[str, str]:
    return {"agent.yaml": AGENT.replace("NAME", name), "main.py": "import time\ntime.sleep(600)\n"}


@pytest.fixture
def bot(project: Project) -> Project:
    return project.write({**agent(), "dodo.py": "from aac_tasks.dodo import *\n"})


def test_doit_list_shows_steps_and_their_members(bot: Project) -> None:
    listed = bot.doit("list", "--all", "--quiet").ok().stdout.split()
    for kind in ("parse", "lock", "dockerfile", "image", "test", "push", "deploy"):
        assert kind in listed
        assert f"{kind}:bot" in listed


def test_a_second_run_redoes_nothing_and_says_so(bot: Project) -> None:
    first = bot.doit("image").ok()
    assert "✓ image:bot" in first.stdout
    second = bot.doit("image").ok()
    assert "– image:bot  up to date" in second.stdout
    assert "✓" not in second.stdout


def test_info_says_what_changed_in_the_words_of_agent_yaml(bot: Project) -> None:
    bot.doit("image").ok()
    bot.write({"agent.yaml": AGENT.replace("NAME", "bot").replace("first", "second")})
    told = bot.doit("info", "image:bot")
    assert told.exit_code == 1
    assert "metadata.description first → second" in told.stdout


def test_forget_makes_the_next_run_do_it_again(bot: Project) -> None:
    bot.doit("image").ok()
    bot.doit("forget", "image:bot").ok()
    assert "✓ image:bot" in bot.doit("image").ok().stdout


def test_always_execute_does_what_is_up_to_date(bot: Project) -> None:
    bot.doit("image").ok()
    again = bot.doit("-a", "image").ok().stdout
    for step in ("parse", "lock", "dockerfile", "image"):
        assert f"✓ {step}:bot" in again
    assert "(asked to run always)" in again
    assert "– image:bot  up to date" in bot.doit("image").ok().stdout


def test_clean_removes_what_a_step_wrote(bot: Project) -> None:
    bot.doit("dockerfile").ok()
    written = bot.folder / ".aac" / "agents" / "bot" / "Dockerfile"
    assert written.exists()
    assert "removing" in bot.doit("clean", "-n", "dockerfile:bot").ok().stdout
    assert written.exists()
    bot.doit("clean", "dockerfile:bot").ok()
    assert not written.exists()
    bot.doit("dockerfile").ok()
    assert written.exists()


def test_an_ignored_step_is_skipped_and_says_so(bot: Project) -> None:
    bot.doit("ignore", "parse:bot").ok()
    said = bot.doit("lock").ok().stdout
    assert "– parse:bot  ignored; `doit forget parse:bot` ends that\n– lock:bot  ignored, because parse:bot is\n" in said
    assert "– parse " not in said
    assert "– lock " not in said


def test_dumpdb_shows_what_is_kept_and_says_where_there_is_nothing(bot: Project) -> None:
    assert bot.doit("dumpdb").exits(3).output == (
        "ERROR: there is no database .doit.db; expected one that doit has written (--db-file=FILE names it)\n"
    )
    bot.doit("parse").ok()
    said = bot.doit("dumpdb").ok().stdout
    assert said.splitlines()[0].endswith(".aac/doit.json (steps are not in it: `agent why STEP` tells what is known of one)")
    bot.doit("ignore", "parse:bot").ok()
    assert bot.doit("dumpdb").ok().stdout.splitlines()[-1] == 'parse:bot -> {"ignore:": "1"}'
    for broken in ("{", "[]"):
        bot.write({".aac/doit.json": broken})
        assert "doit.json is torn, and as good as none; doit writes it anew" in bot.doit("dumpdb").exits(3).stderr
    bot.write({"other.db": "no database"})
    assert "other.db can't be shown: " in bot.doit("dumpdb", "--db-file=other.db").exits(3).stderr


def test_who_only_looks_is_told_of_an_ignored_step(bot: Project) -> None:
    bot.doit("parse").ok()
    bot.doit("ignore", "parse:bot").ok()
    bot.write({"agent.yaml": AGENT.replace("NAME", "bot").replace("first", "second")})
    ended = "ignored; `doit forget parse:bot` ends that"
    assert bot.agent("why", "parse:bot").ok().stdout.startswith(f"parse:bot: {ended}; else would run (")
    assert f"lock:bot: {(because := 'ignored, because parse:bot is')}" in bot.agent("why", "lock:bot").ok().stdout
    steps = json.loads(bot.agent("plan", "--json").ok().stdout)["schedule"]["steps"]
    told = {one["step"]: (one["status"], one["reason"]) for one in steps}
    assert told["parse:bot"] == ("ignored", ended)
    assert told["lock:bot"] == ("ignored", because)
    assert "nothing would run" in bot.agent("plan").ok().stdout
    dry = json.loads(bot.agent("build", "--dry-run", "--json").ok().stdout)["steps"]
    assert [(one["step"], one["status"], one["text"]) for one in dry][:1] == [("parse:bot", "ignored", ended)]
    bot.doit("forget", "parse:bot").ok()
    assert "ignored" not in bot.agent("plan").ok().stdout


def test_reset_dep_takes_outputs_as_made_from_the_present_inputs(bot: Project) -> None:
    bot.doit("parse").ok()
    bot.write({"agent.yaml": AGENT.replace("NAME", "bot").replace("first", "second")})
    bot.doit("reset-dep", "parse:bot").ok()
    assert "up to date" in bot.doit("parse").ok().stdout


def test_a_wildcard_that_matches_nothing_is_an_error(bot: Project) -> None:
    assert "nothing is selected" in bot.doit("nothing*").exits(3).output


def test_a_wildcard_selects_members(bot: Project) -> None:
    assert "parse:bot" in bot.doit("par*:b*").ok().stdout


def test_steps_in_processes_are_refused_with_the_way_out(bot: Project) -> None:
    refused = bot.doit("-n", "2", "-P", "process", "parse")
    assert refused.exit_code != 0
    assert "-P thread" in refused.output


def test_the_users_own_tasks_follow_and_depend_on_steps(bot: Project) -> None:
    bot.write(
        {
            "dodo.py": """
            from aac_tasks.dodo import *

            def task_note():
                return {"actions": ["echo made > note.txt"], "targets": ["note.txt"], "uptodate": [True],
                        "task_dep": ["dockerfile:bot"]}
            """
        }
    )
    bot.doit("note").ok()
    assert bot.read("note.txt") == "made\n"
    assert "note" in json.loads(bot.read(".aac/doit.json"))
    assert "note" in bot.doit("note").ok().stdout


def test_a_torn_state_file_of_doit_is_as_good_as_none(bot: Project) -> None:
    bot.doit("parse").ok()
    bot.write({".aac/doit.json": '{"torn'})
    assert "up to date" in bot.doit("parse").ok().stdout


def test_the_loader_needs_no_dodo_py(project: Project) -> None:
    project.write({**agent(), "pyproject.toml": '[tool.doit]\nloader = "agent"\n'})
    assert "✓ parse:bot" in project.doit("parse").ok().stdout


def test_an_invalid_agent_yaml_is_one_message_and_exit_code_3(bot: Project) -> None:
    bot.write({"agent.yaml": AGENT.replace("NAME", "bot").replace("runtime: python", "runtime: pyton")})
    refused = bot.doit().exits(3)
    assert "agent.yaml:6:12 spec.runtime: unknown runtime 'pyton'; did you mean 'python'?" in refused.output
    assert "Traceback" not in refused.output


def test_a_failed_step_stops_what_depends_on_it_and_nothing_else(project: Project) -> None:
    project.write({"dodo.py": "from aac_tasks.dodo import *\n"})
    project.sub("good").write(agent("good"))
    project.sub("bad").write(agent("bad"))
    (project.folder / "bad" / "leads-out").symlink_to("/etc")
    ran = project.doit("-c", "image").exits(1)
    assert "leads out of the build context" in ran.output
    assert "✓ image:good" in ran.stdout
    assert "✗ image:bad" in ran.output


def test_two_agents_of_one_name_are_refused_naming_both_files(project: Project) -> None:
    project.write({"dodo.py": "from aac_tasks.dodo import *\n"})
    project.sub("a").write(agent("twin"))
    project.sub("b").write(agent("twin"))
    refused = project.doit("parse").exits(3)
    assert "a/agent.yaml" in refused.output
    assert "b/agent.yaml" in refused.output


def test_threads_run_steps_of_several_agents(project: Project) -> None:
    project.write({"dodo.py": "from aac_tasks.dodo import *\n"})
    for name in ("one", "two", "three"):
        project.sub(name).write(agent(name))
    ran = project.doit("-n", "3", "dockerfile").ok()
    assert ran.stdout.count("✓ dockerfile:") == 3


def test_a_step_that_became_a_default_is_not_taken_for_done(bot: Project) -> None:
    """Stats vouch only for what the last plain `doit` judged, whatever the dodo.py has since made of its defaults."""
    dodo = "from aac_tasks.dodo import *\nDOIT_CONFIG['default_tasks'] = ['{}']\n"
    bot.write({"dodo.py": dodo.format("test"), "main.py": "import time\ntime.sleep(600)\n"})
    time.sleep(0.1)  # older than the run, or the run leaves no manifest
    bot.doit().ok()
    bot.doit().ok()
    assert (bot.folder / ".aac/manifest/doit").exists()
    bot.write({"dodo.py": dodo.format("push")})
    assert "✓ push:bot" in bot.doit().ok().stdout
    assert (bot.folder / "dist/index.json").exists()
    assert "– push:bot" in bot.doit().ok().stdout


def test_a_step_that_fails_again_is_named_again_and_not_who_needs_it(bot: Project) -> None:
    bot.write({"requirements.txt": "no-such-package-of-anybody==9\n"})
    time.sleep(0.1)  # as above
    for run in range(3):
        assert "1 failed" in (said := bot.doit().exits(1).output)
        assert "✗ lock:bot" in said, f"run {run}"
        assert "test:bot" not in said
    assert (bot.folder / ".aac/manifest/doit").exists()
