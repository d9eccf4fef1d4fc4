from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from python_workbench import DEBIAN_BASE, index_of, make_tools, make_wheel

from aac_plugins.runtimes.python_resolve import Target, Wheel, choose, redact, resolve, target_of
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import DependencyRequest, LockedFile
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

NATIVE = "fast-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"


def ask(*lines: str) -> DependencyRequest:
    return DependencyRequest(tuple(lines))


def names(files: tuple[LockedFile, ...]) -> list[str]:
    return [f.url.rsplit("/", 1)[-1] for f in files]


def test_what_a_dependency_needs_is_locked_too_with_address_and_hash(wheels: Path, tools: Tools) -> None:
    top = make_wheel(wheels, "top-2.0-py3-none-any.whl", {"top.py": ""}, requires=("below>=1",))
    make_wheel(wheels, "below-1.5-py3-none-any.whl", {"below.py": ""})
    files = resolve(ask("top"), DEBIAN_BASE, tools).files
    assert [(f.name, f.version) for f in files] == [("below", "1.5"), ("top", "2.0")]
    assert files[1].url.endswith(top.name)
    assert len(files[1].sha256) == 64


def test_of_several_wheels_the_one_for_the_image_is_taken_not_the_one_for_the_host(wheels: Path, tools: Tools) -> None:
    for name in (
        NATIVE,
        "fast-1.0-cp313-cp313-manylinux_2_17_aarch64.whl",
        "fast-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
        "fast-1.0-cp313-cp313-musllinux_1_2_x86_64.whl",
        "fast-1.0-py3-none-any.whl",
    ):
        make_wheel(wheels, name, {"fast.py": name})
    assert names(resolve(ask("fast"), DEBIAN_BASE, tools).files) == [NATIVE]
    arm = replace(DEBIAN_BASE, platform=Platform("linux", "arm64"))
    assert names(resolve(ask("fast"), arm, tools).files) == ["fast-1.0-cp313-cp313-manylinux_2_17_aarch64.whl"]


def test_a_wheel_for_a_newer_c_library_than_the_base_has_is_not_taken(wheels: Path, tools: Tools) -> None:
    make_wheel(wheels, "fast-2.0-cp313-cp313-manylinux_2_39_x86_64.whl", {"fast.py": ""})
    make_wheel(wheels, NATIVE, {"fast.py": ""})
    old = replace(DEBIAN_BASE, reference="debian:bookworm")
    assert resolve(ask("fast"), old, tools).files[0].version == "1.0"
    assert resolve(ask("fast"), DEBIAN_BASE, tools).files[0].version == "2.0"


def test_a_marker_is_answered_for_the_image(wheels: Path, tools: Tools) -> None:
    make_wheel(wheels, "one-1-py3-none-any.whl", {"one.py": ""})
    make_wheel(wheels, "two-1-py3-none-any.whl", {"two.py": ""})
    request = ask('one; python_version >= "3.13"', 'two; python_version < "3.13"')
    assert [f.name for f in resolve(request, DEBIAN_BASE, tools).files] == ["one"]
    older = replace(DEBIAN_BASE, runtime_version="3.12")
    assert [f.name for f in resolve(request, older, tools).files] == ["two"]


def test_nothing_asked_asks_no_index(tmp_path: Path) -> None:
    tools = make_tools(tmp_path, offline=True)
    assert resolve(ask(), DEBIAN_BASE, tools).files == ()


def test_a_pinned_hash_that_the_index_does_not_have_is_refused(wheels: Path, tools: Tools) -> None:
    make_wheel(wheels, "one-1-py3-none-any.whl", {"one.py": ""})
    with pytest.raises(StepError, match="no file of one 1 has a hash that is pinned"):
        resolve(ask(f"one==1 --hash=sha256:{'0' * 64}"), DEBIAN_BASE, tools)


def test_a_constraint_bounds_what_is_taken(wheels: Path, tools: Tools) -> None:
    for version in ("1", "2"):
        make_wheel(wheels, f"one-{version}-py3-none-any.whl", {"one.py": ""})
    request = DependencyRequest(("one",), {"constraints.txt": "one<2\n"})
    assert resolve(request, DEBIAN_BASE, tools).files[0].version == "1"


def test_uv_lock_decides_the_version_and_the_file(wheels: Path, tools: Tools, index: str) -> None:
    first = make_wheel(wheels, "one-1-py3-none-any.whl", {"one.py": ""})
    make_wheel(wheels, "one-2-py3-none-any.whl", {"one.py": ""})
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    lock = (
        'version = 1\nrevision = 3\nrequires-python = ">=3.10"\n\n'
        f'[[package]]\nname = "one"\nversion = "1"\nsource = {{ registry = "{index}" }}\n'
        f'wheels = [{{ url = "{index}../one-1-py3-none-any.whl", hash = "sha256:{digest}" }}]\n\n'
        '[[package]]\nname = "agent"\nversion = "0"\nsource = { virtual = "." }\ndependencies = [{ name = "one" }]\n\n'
        '[package.metadata]\nrequires-dist = [{ name = "one" }]\n'
    )
    project = '[project]\nname = "agent"\nversion = "0"\nrequires-python = ">=3.10"\ndependencies = ["one"]\n'
    request = DependencyRequest((), {"pyproject.toml": project, "uv.lock": lock})
    assert [(f.name, f.version, f.sha256) for f in resolve(request, DEBIAN_BASE, tools).files] == [("one", "1", digest)]


def test_a_package_without_wheels_is_refused_with_what_can_be_done(wheels: Path, tools: Tools) -> None:
    (wheels / "old-1.0.tar.gz").write_bytes(b"not looked into")
    with pytest.raises(StepError, match="no wheel of old fits this image") as caught:
        resolve(ask("old"), DEBIAN_BASE, tools)
    assert "build.dockerfile" in caught.value.hint


def test_requirements_that_can_not_agree_are_shown_in_the_words_of_the_resolver(wheels: Path, tools: Tools) -> None:
    make_wheel(wheels, "one-1-py3-none-any.whl", {"one.py": ""})
    with pytest.raises(StepError, match="can't be resolved") as caught:
        resolve(ask("one<1", "one>=1"), DEBIAN_BASE, tools)
    assert "one<1 and one>=1" in caught.value.tail


def test_an_index_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    tools = make_tools(tmp_path, UV_DEFAULT_INDEX="http://me:hunter2@127.0.0.1:9/simple", UV_HTTP_RETRIES="0")
    with pytest.raises(StepError, match="index can't be reached") as caught:
        resolve(ask("one"), DEBIAN_BASE, tools)
    assert "127.0.0.1:9" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_offline_with_an_empty_cache_says_what_to_run_once(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="offline") as caught:
        resolve(ask("one"), DEBIAN_BASE, make_tools(tmp_path, offline=True))
    assert "without --offline" in caught.value.hint


def test_pips_name_of_the_index_is_understood(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "one-1-py3-none-any.whl", {"one.py": ""})
    with index_of(wheels) as address:
        tools = make_tools(tmp_path / "user", PIP_INDEX_URL=address)
        assert [f.name for f in resolve(ask("one"), DEBIAN_BASE, tools).files] == ["one"]


def test_credentials_of_the_index_do_not_reach_the_lock(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, "one-1-py3-none-any.whl", {"one.py": ""})
    with index_of(wheels) as address:
        tools = make_tools(tmp_path / "user", UV_DEFAULT_INDEX=address.replace("://", "://me:hunter2@"))
        (file,) = resolve(ask("one"), DEBIAN_BASE, tools).files
    assert "hunter2" not in file.url
    assert file.url.startswith("http://127.0.0.1")


@pytest.mark.parametrize(
    ("base", "libc"),
    [
        (DEBIAN_BASE, "manylinux_2_40"),
        (replace(DEBIAN_BASE, files=(LockedFile("libc6", "2.36-9+deb12u10", "", ""),)), "manylinux_2_36"),
        (replace(DEBIAN_BASE, reference="docker.io/library/python:3.13-slim", base="registry"), "manylinux_2_28"),
        (replace(DEBIAN_BASE, reference="docker.io/library/python:3.13-alpine", base="registry"), "musllinux_1_2"),
        (replace(DEBIAN_BASE, facts={"glibc": "2.30"}), "manylinux_2_28"),
    ],
)
def test_the_c_library_is_the_bases(base: object, libc: str) -> None:
    assert target_of(base).libc == libc  # type: ignore[arg-type]


def test_a_base_whose_python_is_not_known_says_how_to_say_it() -> None:
    with pytest.raises(StepError, match="not known") as caught:
        target_of(replace(DEBIAN_BASE, base="registry", reference="ghcr.io/me/base:1", runtime_version=""))
    assert "runtime: python:3.12" in caught.value.hint


def test_of_two_builds_of_one_wheel_the_later_is_chosen() -> None:
    wheels: list[Wheel] = [{"url": f"https://x/one-1-{b}py3-none-any.whl"} for b in ("", "2-", "10-")]
    chosen = choose(wheels, Target("3.13", "x86_64", "manylinux_2_28"))
    assert chosen is not None
    assert chosen["url"] == "https://x/one-1-10-py3-none-any.whl"


def test_a_stable_abi_wheel_comes_after_one_for_this_version_and_before_a_pure_one() -> None:
    target = Target("3.13", "x86_64", "manylinux_2_28")
    pure, stable, exact = (
        Wheel(url=f"https://x/one-1-{t}.whl")
        for t in ("py3-none-any", "cp39-abi3-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_x86_64")
    )
    assert choose([pure, stable, exact], target) == exact
    assert choose([pure, stable], target) == stable
    assert choose([{"url": "https://x/one-1-cp314-cp314-manylinux_2_17_x86_64.whl"}], target) is None


def test_redaction_takes_user_and_password_out_of_every_address() -> None:
    assert redact("at https://a:b@host/x and http://c@other/") == "at https://***@host/x and http://***@other/"
