"""Plugins are real modules on disk with real package metadata; nothing of the loader is replaced."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aac_tasks.contracts.result import Event
from aac_tasks.contracts.spec import AgentSpec, Metadata
from aac_tasks.errors import PluginError
from aac_tasks.plugin_manager import BUILT_INS, Plugins, load

SPEC = AgentSpec(Metadata("hello"), "python")
Install = Callable[..., None]

HEAD = """
from aac_tasks.hookspecs import hookimpl
from aac_tasks.contracts.template import Template
"""
TEMPLATE = """
@hookimpl
def aac_register_templates():
    return [Template({name!r}, "", {{}})]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(module, body, version)``: a distribution as pip leaves it, importable for one test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def put(module: str, body: str, version: str = "1.0") -> None:
        (tmp_path / f"{module}.py").write_text(HEAD + textwrap.dedent(body))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[aac_tasks]\n{module} = {module}\n")

    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_plugin_is_found_by_its_entry_point(install: Install) -> None:
    install("acme", TEMPLATE.format(name="acme"))
    catalog = load(()).catalog
    assert catalog.templates.get("acme").name == "acme"
    assert catalog.templates.origin["acme"] == "acme (from acme)"


def test_two_plugins_with_one_name_are_refused_naming_both(install: Install) -> None:
    install("acme", TEMPLATE.format(name="chat"))
    install("rival", TEMPLATE.format(name="chat"))
    with pytest.raises(PluginError) as refused:
        load(())
    assert str(refused.value) == (
        "template 'chat' is registered twice: by acme (from acme) and by rival (from rival); uninstall one"
    )


def test_a_plugin_that_can_not_be_imported_is_named_and_breaks_nothing(install: Install) -> None:
    install("acme", TEMPLATE.format(name="acme"))
    install("broken", "import a_module_that_is_nowhere")
    install("rude", "raise SystemError('no')")
    catalog = load(()).catalog
    assert "acme" in catalog.templates
    assert catalog.broken["broken (from broken)"] == (
        "ModuleNotFoundError: No module named 'a_module_that_is_nowhere'"
    )
    assert catalog.broken["rude (from rude)"] == "SystemError: no"


def test_an_unknown_hook_is_refused_naming_the_plugin_and_the_hook(install: Install) -> None:
    install("acme", "@hookimpl\ndef aac_register_runtime():\n    return []\n")
    with pytest.raises(PluginError) as refused:
        load(())
    assert "acme (from acme)" in str(refused.value)
    assert "aac_register_runtime" in str(refused.value)
    assert "hookspecs.py" in str(refused.value)


def test_a_plugin_whose_hook_wants_an_argument_that_does_not_exist_is_named(install: Install) -> None:
    install("acme", "@hookimpl\ndef aac_check_spec(speck):\n    return []\n")
    (said,) = load(()).catalog.broken.values()
    assert "aac_check_spec" in said
    assert "speck" in said


def test_a_hook_that_raises_is_refused_naming_the_plugin_and_the_hook(install: Install) -> None:
    install("acme", "@hookimpl\ndef aac_register_bases():\n    return 1 / 0\n")
    with pytest.raises(
        PluginError, match=r"plugin acme \(from acme\): aac_register_bases raised ZeroDivisionError"
    ):
        load(())


def test_another_version_is_another_fingerprint(install: Install, tmp_path: Path) -> None:
    install("acme", TEMPLATE.format(name="acme"))
    first = load(()).catalog.fingerprint
    assert load(()).catalog.fingerprint == first
    (tmp_path / "acme-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.1\n")
    assert load(()).catalog.fingerprint != first


@pytest.fixture
def talker(install: Install) -> Plugins:
    """A plugin with every hook that is called later."""
    install(
        "talker",
        """
        from aac_tasks.contracts.plan import Step
        from aac_tasks.errors import Problem
        HEARD = []

        @hookimpl
        def aac_check_spec(spec):
            return [Problem("agent.yaml", 1, 1, "metadata.name", f"{spec.name} is taken")]

        @hookimpl
        def aac_add_steps(spec, plan):
            return [Step(f"sbom:{spec.name}", "sbom", spec.name, {})]

        @hookimpl
        def aac_resolve_secret(ref):
            return "s3cret" if ref == "vault:db" else None

        @hookimpl
        def aac_step_finished(event):
            HEARD.append(event.step)
        """,
    )
    return load(())


def test_later_hooks_get_their_arguments_and_their_answers_are_collected(talker: Plugins) -> None:
    from aac_tasks.contracts.plan import AgentPlan

    assert [p.message for p in talker.check_spec(SPEC)] == ["hello is taken"]
    assert [s.id for s in talker.add_steps(SPEC, AgentPlan("hello", "", "agent.yaml", ()))] == ["sbom:hello"]
    talker.step_finished(Event("done", "image:hello"))
    assert sys.modules["talker"].HEARD == ["image:hello"]


def test_a_secret_is_the_first_answer_that_is_one(talker: Plugins) -> None:
    assert talker.resolve_secret("vault:db") == "s3cret"
    assert talker.resolve_secret("vault:other") is None


def test_built_ins_are_named_as_texts_below_one_package() -> None:
    assert all(name.startswith("aac_plugins.") for name in BUILT_INS)
    assert len(set(BUILT_INS)) == len(BUILT_INS)
