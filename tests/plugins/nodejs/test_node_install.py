from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from node_workbench import DEBIAN_BASE, Registry, node, npm_tools, pack

from aac_plugins.runtimes import nodejs_tarballs
from aac_plugins.runtimes.nodejs_install import install, layer
from aac_tasks.contracts.lock import LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import Add, Run, Write
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

Tree = dict[str, tuple[str, str]]


def tree_of(folder: Path) -> Tree:
    """Relative path → (mode, digest, ``dir`` or a link's target) of everything below ``folder``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        what = "dir" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "?"
        mode = f"{path.stat().st_mode & 0o7777:o}" if not path.is_symlink() else "link"
        found[path.relative_to(folder).as_posix()] = (mode, f"→ {path.readlink()}" if path.is_symlink() else what)
    return found


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, 0o644, 3 if kind == tarfile.REGTYPE else 0
    for field, value in fields.items():
        setattr(info, field, value)
    return info


LONG = "/".join(["a-folder-with-a-name"] * 9)
EVERYTHING: Mapping[str, bytes] = {
    "node_modules/full": pack(
        {
            "package.json": '\ufeff{"name": "full", "bin": {"full": "./bin/full.js", "@x/odd": "bin/../bin/odd", '
            '"gone": "no.js", "out": "../../../x"}}',
            "bin/full.js": "#!/usr/bin/env node\n",
            "bin/odd": "",
            "tool*": "#!/bin/sh\n",
            "left/__pycache__/x.pyc": "",
            "left/y.pyc": "",
            f"{LONG}/deep.txt": "deep",
            "naïve ☃.txt": "é",
            "empty": "",
            "big": bytes(range(256)) * 5000,
        },
        members=(
            member("package/link", tarfile.SYMTYPE, linkname="/etc/passwd"),
            member("package/hard", tarfile.LNKTYPE, linkname="package/empty"),
            member("package/folder", tarfile.DIRTYPE),
            member("./package//twice//x.txt"),
            member("file-beside-the-folder"),
            member("other-top/y.txt", mode=0o755),
            member("package/old", tarfile.AREGTYPE, size=2),
            member("package/empty"),
        ),
    ),
    "node_modules/full/node_modules/below": pack({"package.json": '{"name": "below", "bin": "b.js"}', "b.js": ""}, top="v1"),
    "node_modules/@scope/pkg": pack({"package.json": '{"name": "@scope/pkg", "bin": "cli.js"}', "cli.js": ""}),
    "node_modules/rival": pack({"package.json": '{"name": "rival", "bin": {"full": "r.js"}}', "r.js": ""}),
    "node_modules/odd-json": pack({"package.json": "{", "index.js": ""}),
    "node_modules/none": pack({"index.js": ""}),
}
"""One of each kind of member, and of each kind of program."""


def unpacked(folder: Path, tarballs: Mapping[str, bytes]) -> Path:
    root = folder / "app"
    root.mkdir(parents=True)
    (folder / "tarballs").mkdir()
    paths = {}
    for number, (path, data) in enumerate(tarballs.items()):
        paths[path] = folder / f"tarballs/{number}"
        paths[path].write_bytes(data)
    nodejs_tarballs.install(paths, root)
    return root


def unpacked_by_node(folder: Path, tarballs: Mapping[str, bytes]) -> subprocess.CompletedProcess[str]:
    (folder / "app").mkdir(parents=True)
    (folder / "tarballs").mkdir()
    for number, path in enumerate(sorted(tarballs)):
        (folder / f"tarballs/{number}").write_bytes(tarballs[path])
    (folder / "list.json").write_text(json.dumps({path: str(n) for n, path in enumerate(sorted(tarballs))}))
    script = Path(nodejs_tarballs.__file__).with_suffix(".js")
    argv = [node(), str(script), str(folder / "list.json"), str(folder / "tarballs"), str(folder / "app")]
    return subprocess.run(argv, capture_output=True, text=True)


def test_every_kind_of_member_lands_where_npm_has_it(tmp_path: Path) -> None:
    tree = tree_of(unpacked(tmp_path, EVERYTHING))
    files = {path.removeprefix("node_modules/"): mode for path, (mode, what) in tree.items() if what != "dir"}
    assert files == {
        "full/package.json": "644",
        "full/bin/full.js": "755",
        "full/bin/odd": "755",
        "full/tool": "755",
        f"full/{LONG}/deep.txt": "644",
        "full/naïve ☃.txt": "644",
        "full/empty": "644",
        "full/big": "644",
        "full/old": "644",
        "full/twice/x.txt": "644",
        "full/y.txt": "755",
        "full/node_modules/below/package.json": "644",
        "full/node_modules/below/b.js": "755",
        "full/node_modules/.bin/below": "link",
        "@scope/pkg/package.json": "644",
        "@scope/pkg/cli.js": "755",
        "rival/package.json": "644",
        "rival/r.js": "755",
        "odd-json/package.json": "644",
        "odd-json/index.js": "644",
        "none/index.js": "644",
        ".bin/full": "link",
        ".bin/odd": "link",
        ".bin/pkg": "link",
    }
    assert tree["node_modules/.bin/pkg"][1] == "→ ../@scope/pkg/cli.js"
    assert tree["node_modules/.bin/full"][1] == "→ ../full/bin/full.js"
    assert tree["node_modules/full/empty"] == tree_of(tmp_path / "app")["node_modules/full/twice/x.txt"], "the later one counts"
    assert {mode for mode, what in tree.values() if what == "dir"} == {"755"}


@pytest.mark.real
def test_the_script_of_the_dockerfile_unpacks_to_the_same_files(tmp_path: Path) -> None:
    done = unpacked_by_node(tmp_path / "node", EVERYTHING)
    assert done.stderr == ""
    ours = tree_of(unpacked(tmp_path / "python", EVERYTHING))
    assert tree_of(tmp_path / "node/app") == ours
    assert len(ours) > 40


@pytest.mark.parametrize("name", ["package/../../evil", "../evil", "/evil", "package/a/../../../evil"])
def test_a_member_that_wants_out_is_refused_by_both(tmp_path: Path, name: str) -> None:
    tarballs = {"node_modules/bad": pack({}, members=(member(name),))}
    with pytest.raises(nodejs_tarballs.TarballError, match=r"node_modules/bad: .* would be written outside"):
        unpacked(tmp_path / "python", tarballs)
    done = unpacked_by_node(tmp_path / "node", tarballs)
    assert done.returncode != 0
    assert "would be written outside" in done.stderr
    assert not list(tmp_path.rglob("evil"))


@pytest.mark.parametrize("data", [b"hello", b"\x1f\x8bhello", pack({"a": "x" * 5000})[:60]])
def test_what_is_no_tarball_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(nodejs_tarballs.TarballError, match="node_modules/bad: not a tarball"):
        unpacked(tmp_path, {"node_modules/bad": data})


def test_a_name_that_is_both_file_and_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nodejs_tarballs.TarballError, match="both a file and a folder"):
        unpacked(tmp_path, {"node_modules/bad": pack({}, members=(member("p/a"), member("p/a/b")))})


def test_a_plain_tar_is_unpacked_too(tmp_path: Path) -> None:
    import gzip

    root = unpacked(tmp_path, {"node_modules/plain": gzip.decompress(pack({"index.js": "1"}))})
    assert (root / "node_modules/plain/index.js").read_text() == "1"


# -- locked files ---------------------------------------------------------------------------------------------------


def locked_set(registry: Registry) -> LockedDependencies:
    files = []
    for name, about in (("greeter", {"bin": "index.js"}), ("@team/words", {})):
        registry.publish(name, **about)
        data = registry.answer(f"{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz")[1]
        url = registry.packages[name]["1.0.0"]["dist"]["tarball"]
        files.append(LockedFile(f"node_modules/{name}", "1.0.0", url, hashlib.sha256(data).hexdigest(), len(data)))
    twice = LockedFile(f"{files[0].name}/node_modules/again", "1.0.0", files[1].url, files[1].sha256, files[1].size)
    return LockedDependencies((*files, twice))


def test_installing_twice_and_under_another_umask_gives_the_same_tree(tmp_path: Path, registry: Registry, tools: Tools) -> None:
    locked = locked_set(registry)
    install(locked, tmp_path / "one", tools)
    before = os.umask(0o077)
    try:
        install(locked, tmp_path / "two", tools)
    finally:
        os.umask(before)
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "two")
    assert len(registry.asked) == 2, "each tarball once, though one lies in two places, and then never again"


def test_both_ways_to_import_find_a_package(tmp_path: Path, registry: Registry, tools: Tools) -> None:
    install(locked_set(registry), tmp_path / "root", tools)
    app = tmp_path / "root/app"
    (app / "old.cjs").write_text("console.log(require('greeter'), require('@team/words'))")
    (app / "new.mjs").write_text("import a from 'greeter'; import b from '@team/words'; console.log(a, b)")
    for script in ("old.cjs", "new.mjs"):
        said = subprocess.run([node(), script], cwd=app, capture_output=True, text=True, check=True).stdout
        assert said == "greeter 1.0.0 @team/words 1.0.0\n"


def test_a_tarball_that_changed_is_refused(tmp_path: Path, registry: Registry, tools: Tools) -> None:
    locked = locked_set(registry)
    registry.publish("greeter", files={"evil.js": ""})
    with pytest.raises(StepError, match="hash to"):
        install(locked, tmp_path / "one", tools)
    assert not (tmp_path / "one/app").exists()


def test_offline_without_the_tarballs_says_so(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(StepError, match="not downloaded yet"):
        install(locked_set(registry), tmp_path / "one", npm_tools(tmp_path / "user", registry.url, offline=True))


def test_the_stage_of_the_dockerfile_makes_the_same_files_as_the_host(tmp_path: Path, registry: Registry, tools: Tools) -> None:
    """The stage's instructions are carried out by hand here: files put in place, then its command run."""
    locked = locked_set(registry)
    install(locked, tmp_path / "host", tools)
    made = layer(locked, DEBIAN_BASE, "/usr/bin/node")
    root = tmp_path / "stage"
    (root / "app").mkdir(parents=True)
    for step in made.stage.instructions:
        if isinstance(step, Add):
            (root / step.target[1:]).parent.mkdir(parents=True, exist_ok=True)
            data = registry.answer(step.url.removeprefix(registry.url))[1]
            assert hashlib.sha256(data).hexdigest() == step.sha256
            (root / step.target[1:]).write_bytes(data)
        elif isinstance(step, Write):
            (root / step.target[1:]).write_text(step.text)
        elif isinstance(step, Run):
            assert step.argv[0] == "/usr/bin/node"
            subprocess.run([node(), *(f"{root}{path}" for path in step.argv[1:])], check=True)
    assert made.paths == ("/app/node_modules",)
    assert tree_of(root / "app") == tree_of(tmp_path / "host/app")
