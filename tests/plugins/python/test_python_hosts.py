"""Real packages from PyPI, installed by hosts of different Pythons, umasks, time zones and languages: one tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from python_workbench import DEBIAN_BASE, make_tools, tree_of

import aac_plugins
import aac_tasks
from aac_plugins.runtimes.python_install import install
from aac_plugins.runtimes.python_resolve import resolve
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies
from aac_tasks.testing import need

pytestmark = pytest.mark.network

REQUEST = DependencyRequest(("markupsafe==3.0.2", "uvicorn==0.34.0", "zope.interface==7.2"))
"""A C extension, a console script, and a package in a namespace (with a .pth file)."""

CHILD = """
import json, os, sys
from pathlib import Path
os.umask(int(sys.argv[4], 8))
from aac_plugins.runtimes import python_wheels
blobs = json.loads(sys.argv[3])
python_wheels.install({n: Path(p) for n, p in blobs.items()}, Path(sys.argv[1]), sys.argv[2], "/usr/bin/python3")
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[LockedDependencies, Path]:
    try:
        urllib.request.urlopen("https://pypi.org/simple/markupsafe/", timeout=10).close()
    except (urllib.error.URLError, OSError) as error:
        need(False, f"PyPI can't be reached: {error}")
    folder = tmp_path_factory.mktemp("real")
    return resolve(REQUEST, DEBIAN_BASE, make_tools(folder)), folder


def other_pythons() -> list[str]:
    """Interpreters of other versions on this machine."""
    found = {}
    for minor in range(10, 16):
        path = shutil.which(f"python3.{minor}")
        for candidate in (path, *map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))):
            works = candidate and subprocess.run([candidate, "-c", ""], capture_output=True).returncode == 0
            if works and minor != sys.version_info.minor:
                found[minor] = str(candidate)
    return [found[m] for m in sorted(found)]


def test_hosts_of_other_pythons_umasks_zones_and_languages_make_the_same_tree(
    real: tuple[LockedDependencies, Path], tmp_path: Path
) -> None:
    locked, folder = real
    tools = make_tools(folder)
    install(locked, DEBIAN_BASE, tmp_path / "here", tools)
    expected = tree_of(tmp_path / "here/opt/agent")
    assert any(p.endswith(".so") for p in expected)
    assert "bin/uvicorn" in expected
    blobs = {f.url.rsplit("/", 1)[-1]: str(folder / "store/blobs/sha256" / f.sha256[:2] / f.sha256) for f in locked.files}
    others = other_pythons()
    need(others, "no other Python than this one is here")
    for python in others:
        target = tmp_path / f"other-{len(list(tmp_path.iterdir()))}"
        ours = {str(Path(m.__file__ or "").parents[1]) for m in (aac_plugins, aac_tasks)}
        env = {"PYTHONPATH": os.pathsep.join(sorted(ours)),
               "TZ": "Asia/Kolkata", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}  # fmt: skip
        argv = [python, "-B", "-c", CHILD, str(target), "3.13", json.dumps(blobs), "077"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert tree_of(target) == expected, python


def test_no_file_names_the_host(real: tuple[LockedDependencies, Path], tmp_path: Path) -> None:
    locked, folder = real
    install(locked, DEBIAN_BASE, tmp_path / "here", make_tools(folder))
    marks = [str(tmp_path).encode(), str(folder).encode(), sys.prefix.encode() + b"/"]
    for path in (tmp_path / "here").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(mark in data for mark in marks), path
        assert "__pycache__" not in path.parts


def test_resolving_twice_gives_the_same_lock(real: tuple[LockedDependencies, Path]) -> None:
    locked, folder = real
    again = resolve(REQUEST, DEBIAN_BASE, make_tools(folder, offline=True))
    assert encode(again) == encode(locked)


def test_a_user_base_is_active_without_home_for_a_user_that_has_no_name(
    real: tuple[LockedDependencies, Path], tmp_path: Path
) -> None:
    """site.ENABLE_USER_SITE of a bare interpreter, as in an image: PYTHONUSERBASE set, no HOME, uid 10001."""
    _, folder = real
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    base = replace(DEBIAN_BASE, runtime_version=version)
    install(resolve(REQUEST, base, make_tools(folder)), base, tmp_path / "root", make_tools(folder))
    python = Path(os.path.realpath(sys.executable))
    code = (
        "import site, zope.interface, markupsafe._speedups, uvicorn, importlib.metadata as m; "
        "print(site.ENABLE_USER_SITE, site.getusersitepackages(), m.version('uvicorn'))"
    )
    prefix = tmp_path / "root/opt/agent"
    user = {"user": 10001, "group": 10001, "extra_groups": []} if os.geteuid() == 0 and _reachable(python) else {}
    open_to_all(prefix, tmp_path)
    done = subprocess.run(
        [str(python), "-B", "-c", code], env={"PYTHONUSERBASE": str(prefix)}, cwd="/", capture_output=True, text=True, **user
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", f"{prefix}/lib/python{version}/site-packages", "0.34.0"]


def _reachable(path: Path) -> bool:
    """Whether a stranger may enter every folder above ``path``."""
    return all(p.stat().st_mode & 0o001 for p in path.parents)


def open_to_all(inner: Path, top: Path) -> None:
    for folder in (inner, *inner.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith(str(top.parents[2])):
            folder.chmod(folder.stat().st_mode | 0o055)
