from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from python_workbench import DEBIAN_BASE, make_tools, make_wheel, tree_of

from aac_plugins.runtimes import python_wheels
from aac_plugins.runtimes.python_install import install, layer
from aac_plugins.runtimes.python_resolve import resolve
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies
from aac_tasks.contracts.recipe import Add, Run, Write
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

SITE = "lib/python3.13/site-packages"


def unpack(folder: Path, *wheels: Path) -> Path:
    prefix = folder / "prefix"
    python_wheels.install({w.name: w for w in wheels}, prefix, "3.13", "/usr/bin/python3")
    return prefix


def everything(folder: Path) -> Path:
    """A wheel with one of each kind of member."""
    return make_wheel(
        folder,
        "full-1.0-py3-none-any.whl",
        {
            "full/__init__.py": "def main():\n    return 0\n",
            "full/__pycache__/__init__.cpython-313.pyc": "stale",
            "full/tool*": "#!/bin/sh\n",
            "full-1.0.data/scripts/old-style": "#!python -E\nprint('hello')\n",
            "full-1.0.data/data/share/full/words.txt": "words\n",
            "full-1.0.data/headers/full.h": "int full;\n",
            "full-1.0.data/purelib/extra.py": "",
            "full-1.0.dist-info/entry_points.txt": "[console_scripts]\nfull = full:main\nFull-X = full.sub:app.run [x]\n",
            "full-1.0.dist-info/direct_url.json": "{}",
            "full-1.0.dist-info/INSTALLER": "somebody else",
        },
    )


def test_every_kind_of_member_lands_where_the_user_scheme_has_it(tmp_path: Path) -> None:
    prefix = unpack(tmp_path, everything(tmp_path))
    files = {p: mode for p, (mode, kind) in tree_of(prefix).items() if kind != "dir"}
    assert files == {
        "bin/full": "755",
        "bin/Full-X": "755",
        "bin/old-style": "755",
        "share/full/words.txt": "644",
        "include/python3.13/full/full.h": "644",
        f"{SITE}/extra.py": "644",
        f"{SITE}/full/__init__.py": "644",
        f"{SITE}/full/tool": "755",
        f"{SITE}/full-1.0.dist-info/METADATA": "644",
        f"{SITE}/full-1.0.dist-info/WHEEL": "644",
        f"{SITE}/full-1.0.dist-info/RECORD": "644",
        f"{SITE}/full-1.0.dist-info/INSTALLER": "644",
        f"{SITE}/full-1.0.dist-info/entry_points.txt": "644",
    }
    assert {mode for mode, kind in tree_of(prefix).values() if kind == "dir"} == {"755"}


def test_scripts_start_with_the_images_interpreter(tmp_path: Path) -> None:
    prefix = unpack(tmp_path, everything(tmp_path))
    assert (prefix / "bin/old-style").read_text() == "#!/usr/bin/python3 -E\nprint('hello')\n"
    assert (prefix / "bin/full").read_text().startswith("#!/usr/bin/python3\n")
    assert "from full.sub import app\n" in (prefix / "bin/Full-X").read_text()
    assert "sys.exit(app.run())" in (prefix / "bin/Full-X").read_text()


def test_record_lists_exactly_what_is_there_with_its_hashes(tmp_path: Path) -> None:
    prefix = unpack(tmp_path, everything(tmp_path))
    rows = list(csv.reader(io.StringIO((prefix / SITE / "full-1.0.dist-info/RECORD").read_text())))
    listed = {os.path.normpath(f"{SITE}/{path}") for path, _, _ in rows}
    assert listed == {p for p, (_, kind) in tree_of(prefix).items() if kind != "dir"}
    for path, digest, size in rows:
        data = (prefix / SITE / path).read_bytes()
        assert (digest, size) == ("", "") if path.endswith("RECORD") else int(size) == len(data)


def test_importlib_metadata_finds_every_file(tmp_path: Path) -> None:
    from importlib.metadata import PathDistribution

    prefix = unpack(tmp_path, everything(tmp_path))
    found = PathDistribution(prefix / SITE / "full-1.0.dist-info")
    assert found.version == "1.0"
    assert all(Path(str(f.locate())).is_file() for f in found.files or ())


@pytest.mark.parametrize("member", ["../evil.py", "/evil.py", "pkg/../../evil.py", "a\\b.py", "pkg//evil.py"])
def test_a_member_that_wants_out_is_refused(tmp_path: Path, member: str) -> None:
    wheel = make_wheel(tmp_path, "evil-1-py3-none-any.whl", {member: ""})
    with pytest.raises(python_wheels.WheelError, match="outside"):
        unpack(tmp_path, wheel)
    assert not list(tmp_path.glob("**/evil.py"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"evil-1.data/odd/x": ""}, "of no known kind"),
        ({"other-1.dist-info/METADATA": ""}, "expected one .dist-info folder"),
        ({"evil-1.dist-info/entry_points.txt": "[console_scripts]\n../x = a:b\n"}, "is not NAME = MODULE:FUNCTION"),
        ({"evil-1.dist-info/entry_points.txt": "[console_scripts]\nx = a:b;import os\n"}, "is not NAME = MODULE"),
        ({"evil-1.dist-info/entry_points.txt": "no section\n"}, "can't be read"),
    ],
)
def test_a_broken_wheel_is_named_with_what_is_wrong(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(python_wheels.WheelError, match=message) as caught:
        unpack(tmp_path, make_wheel(tmp_path, "evil-1-py3-none-any.whl", files))
    assert "evil-1-py3-none-any.whl" in str(caught.value)


def test_a_wheel_of_a_later_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(python_wheels.WheelError, match=r"wheel version 2\.0 is not known"):
        unpack(tmp_path, make_wheel(tmp_path, "new-1-py3-none-any.whl", {}, wheel="2.0"))


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one-1-py3-none-any.whl").write_bytes(b"hello")
    with pytest.raises(python_wheels.WheelError, match="not a wheel"):
        unpack(tmp_path, tmp_path / "one-1-py3-none-any.whl")


def test_of_two_wheels_with_one_file_the_later_name_wins_and_only_its_record_has_it(tmp_path: Path) -> None:
    first = make_wheel(tmp_path, "aa-1-py3-none-any.whl", {"shared.py": "first"})
    second = make_wheel(tmp_path, "bb-1-py3-none-any.whl", {"shared.py": "second"})
    for order in ((first, second), (second, first)):
        prefix = unpack(tmp_path, *order)
        assert (prefix / SITE / "shared.py").read_text() == "second"
        assert "shared.py" not in (prefix / SITE / "aa-1.dist-info/RECORD").read_text()
        assert "shared.py" in (prefix / SITE / "bb-1.dist-info/RECORD").read_text()


def locked_set(wheels: Path, tools: Tools) -> LockedDependencies:
    everything(wheels)
    make_wheel(wheels, "ns_one-1-py3-none-any.whl", {"ns/one/__init__.py": ""})
    make_wheel(wheels, "ns_two-1-py3-none-any.whl", {"ns/two/__init__.py": ""})
    return resolve(DependencyRequest(("full", "ns-one", "ns-two")), DEBIAN_BASE, tools)


def test_installing_twice_and_under_another_umask_gives_the_same_tree(
    tmp_path: Path, wheels: Path, tools: Tools
) -> None:
    locked = locked_set(wheels, tools)
    install(locked, DEBIAN_BASE, tmp_path / "one", tools)
    before = os.umask(0o077)
    try:
        install(locked, DEBIAN_BASE, tmp_path / "two", tools)
    finally:
        os.umask(before)
    assert tree_of(tmp_path / "one/opt") == tree_of(tmp_path / "two/opt")


def test_the_second_install_needs_no_network(tmp_path: Path, wheels: Path, tools: Tools) -> None:
    locked = locked_set(wheels, tools)
    install(locked, DEBIAN_BASE, tmp_path / "one", tools)
    install(locked, DEBIAN_BASE, tmp_path / "two", make_tools(tmp_path / "user", offline=True))
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two")


def test_offline_without_the_wheels_names_them(tmp_path: Path, wheels: Path, tools: Tools) -> None:
    locked = locked_set(wheels, tools)
    with pytest.raises(StepError, match=r"not downloaded yet: full 1\.0, ns-one 1, ns-two 1"):
        install(locked, DEBIAN_BASE, tmp_path / "one", make_tools(tmp_path / "other", offline=True))


def test_a_wheel_that_changed_on_the_index_is_refused(tmp_path: Path, wheels: Path, tools: Tools) -> None:
    locked = locked_set(wheels, tools)
    make_wheel(wheels, "full-1.0-py3-none-any.whl", {"full/__init__.py": "import evil\n"})
    with pytest.raises(StepError, match="hash to"):
        install(locked, DEBIAN_BASE, tmp_path / "one", tools)
    assert not (tmp_path / "one").exists()


def test_a_wheel_that_is_gone_says_to_lock_again(tmp_path: Path, wheels: Path, tools: Tools) -> None:
    locked = locked_set(wheels, tools)
    (wheels / "full-1.0-py3-none-any.whl").unlink()
    with pytest.raises(StepError, match="answered 404") as caught:
        install(locked, DEBIAN_BASE, tmp_path / "one", tools)
    assert "agent lock" in caught.value.hint


def test_without_dependencies_nothing_is_written(tmp_path: Path, tools: Tools) -> None:
    install(LockedDependencies(), DEBIAN_BASE, tmp_path / "one", tools)
    assert not (tmp_path / "one").exists()


def test_the_stage_of_the_dockerfile_makes_the_same_files_as_the_host(
    tmp_path: Path, wheels: Path, tools: Tools
) -> None:
    """The stage's instructions are carried out by hand here: files put in place, then its command run."""
    locked = locked_set(wheels, tools)
    install(locked, DEBIAN_BASE, tmp_path / "host", tools)
    stage = layer(locked, DEBIAN_BASE).stage
    root = tmp_path / "stage"
    for step in stage.instructions:
        if isinstance(step, Add):
            data = (wheels / step.url.rsplit("/", 1)[-1]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == step.sha256
            (root / step.target[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / step.target[1:]).write_bytes(data)
        elif isinstance(step, Write):
            (root / step.target[1:]).write_text(step.text)
        elif isinstance(step, Run):
            python, script, folder, prefix, *rest = step.argv
            assert python == "/usr/bin/python3"
            argv = [sys.executable, f"{root}{script}", f"{root}{folder}", f"{root}{prefix}", *rest]
            subprocess.run(argv, env=dict(step.env), check=True)
    assert tree_of(root / "opt/agent") == tree_of(tmp_path / "host/opt/agent")
