"""Placing packages in folders: whoever looks for one finds the version that was decided for them."""

from __future__ import annotations

import json
import posixpath
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aac_plugins.runtimes import nodejs_pnpm, nodejs_yarn
from aac_plugins.runtimes.nodejs_manifest import Manifest
from aac_plugins.runtimes.nodejs_tree import Entry, Graph, Target, Tree, find, folder_name, needed, place
from aac_tasks.errors import StepError

LOCKS = Path(__file__).parent / "locks"
X64 = Target("x64", "glibc")


def graph_of(edges: dict[str, dict[str, str]], peers: dict[str, frozenset[str]] | None = None) -> Graph:
    keys = {"", *edges, *(key for found in edges.values() for key in found.values())}
    entries: dict[str, Entry] = {key: {"version": key, "dependencies": dict(edges.get(key, {}))} for key in keys}
    return Graph(entries, edges, peers or {})


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Up to five names in up to three versions, depending on each other in any way, circles included."""
    keys = [f"{name}{version}" for name in "abcde" for version in "123"]
    some = st.lists(st.sampled_from(keys), max_size=4, unique_by=lambda key: key[0])
    return graph_of({key: {target[0]: target for target in draw(some)} for key in ("", *keys)})


def assert_everybody_finds_their_own(graph: Graph, tree: Tree) -> None:
    for path, entry in tree.items():
        key = entry.get("version", "") if path else ""
        for name, wanted in graph.edges.get(key, {}).items():
            found = find(tree, path, name)
            assert found is not None
            assert tree[found]["version"] == wanted


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_everybody_finds_the_version_that_was_decided_for_them(graph: Graph) -> None:
    try:
        tree = place(graph)
    except StepError as error:  # versions in a circle: no folders can hold that
        assume("needs itself" not in str(error))
        raise
    assert_everybody_finds_their_own(graph, tree)


def test_versions_in_a_circle_are_refused() -> None:
    edges = {"": {"a": "a1", "b": "b2"}, "a1": {"b": "b1"}, "b1": {"a": "a2"}, "a2": {"b": "b2"}, "b2": {"a": "a1"}}
    with pytest.raises(StepError, match="a a1 needs itself through another version of itself"):
        place(graph_of(edges))


def test_a_package_goes_as_high_as_it_can() -> None:
    tree = place(graph_of({"": {"a": "a1"}, "a1": {"b": "b1"}, "b1": {"c": "c1"}}))
    assert sorted(tree) == ["", "node_modules/a", "node_modules/b", "node_modules/c"]


def test_a_second_version_lies_below_who_needs_it() -> None:
    tree = place(graph_of({"": {"a": "a1", "b": "b2"}, "a1": {"b": "b1"}}))
    assert tree["node_modules/a/node_modules/b"]["version"] == "b1"
    assert tree["node_modules/b"]["version"] == "b2"


def test_a_package_with_a_peer_stays_where_it_sees_the_peer_of_who_asked() -> None:
    """As a plugin that must get the very framework that its user has: one copy of it, not two."""
    edges = {
        "": {"app": "app1", "react": "react18"},
        "app1": {"react": "react17", "plugin": "plugin1"},
        "plugin1": {"react": "react17"},
    }
    tree = place(graph_of(edges, {"plugin1": frozenset({"react"})}))
    assert "node_modules/app/node_modules/plugin" in tree
    assert [p for p in tree if p.endswith("/react")] == ["node_modules/react", "node_modules/app/node_modules/react"]


MANIFEST: Manifest = {
    field: value
    for field, value in json.loads((LOCKS / "package.json").read_text()).items()
    if field in ("dependencies", "optionalDependencies")
}


def locked(name: str) -> Tree:
    text = (LOCKS / name).read_text()
    if name == "npm.json":
        tree: Tree = json.loads(text)["packages"]
        return tree
    return place(nodejs_yarn.read(text, MANIFEST) if name.startswith("yarn") else nodejs_pnpm.read(text, MANIFEST))


def seen(tree: Tree) -> set[tuple[str, str, str, str]]:
    """Who (name, version) finds what (name, version)."""
    entries, _ = needed(tree, Target("x64", "glibc"))
    found = set()
    for path, entry in {"": tree[""], **entries}.items():
        for name in {**entry.get("dependencies", {}), **entry.get("optionalDependencies", {})}:
            target = find(entries, path, name)
            if target and name != "fsevents":  # Yarn 1 does not say that it is for another system; the registry does, at lock
                found.add((folder_name(path), entry.get("version", "") if path else "", name, entries[target]["version"]))
    return found


@pytest.mark.parametrize("name", ["yarn1.lock", "yarn4.lock", "pnpm8.yaml", "pnpm9.yaml"])
def test_the_lock_of_another_manager_gives_everybody_what_npm_gives_them(name: str) -> None:
    """All made on one day from one package.json, with an alias, a scope, two versions of one package, an optional one for
    another system and one for development.
    """
    assert seen(locked(name)) == seen(locked("npm.json"))
    assert len(seen(locked(name))) > 100


@pytest.mark.parametrize("name", ["npm.json", "yarn4.lock", "pnpm8.yaml", "pnpm9.yaml"])
def test_what_is_for_development_or_for_another_system_is_not_needed(name: str) -> None:
    entries, optional = needed(locked(name), X64)
    assert "node_modules/is-odd" not in entries
    assert "node_modules/fsevents" not in entries
    assert "node_modules/myms" in entries
    assert optional == frozenset()


@pytest.mark.parametrize("name", ["yarn1.lock", "pnpm8.yaml", "pnpm9.yaml"])
def test_hashes_and_addresses_of_another_managers_lock_are_npms(name: str) -> None:
    def files(tree: Tree) -> set[tuple[str, str]]:
        development = ("/is-odd", "/is-number")
        return {(e["resolved"], e["integrity"]) for path, e in tree.items() if path and not path.endswith(development)}

    assert files(locked(name)) == files(locked("npm.json"))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, ""),
        ({"os": ["linux"], "cpu": ["x64", "arm64"], "libc": ["glibc"]}, ""),
        ({"os": ["!win32"]}, ""),
        ({"os": ["any"]}, ""),
        ({"os": "darwin"}, "os darwin"),
        ({"os": ["!linux"]}, "os !linux"),
        ({"cpu": ["arm64", "ia32"]}, "cpu arm64 or ia32"),
        ({"libc": ["musl"]}, "libc musl"),
    ],
)
def test_a_package_says_which_platforms_it_is_for(entry: dict[str, object], why: str) -> None:
    assert X64.misfit(entry) == why


def test_an_optional_package_of_another_platform_is_left_out_with_what_only_it_needs() -> None:
    tree: Tree = {
        "": {"dependencies": {"tool": "1"}},
        "node_modules/tool": {"version": "1", "optionalDependencies": {"tool-mac": "1", "tool-linux": "1"}},
        "node_modules/tool-mac": {"version": "1", "os": ["darwin"], "dependencies": {"mac-only": "1"}},
        "node_modules/tool-linux": {"version": "1", "os": ["linux"], "cpu": ["x64"]},
        "node_modules/mac-only": {"version": "1"},
    }
    entries, optional = needed(tree, X64)
    assert list(entries) == ["node_modules/tool", "node_modules/tool-linux"]
    assert optional == {"node_modules/tool-linux"}


def test_a_needed_package_of_another_platform_is_refused() -> None:
    tree: Tree = {"": {"dependencies": {"mac": "1"}}, "node_modules/mac": {"version": "1.2.3", "os": ["darwin"]}}
    with pytest.raises(StepError, match=r"mac 1\.2\.3 is made for os darwin, the image is linux x64 glibc"):
        needed(tree, X64)


def test_a_lock_that_lacks_something_is_refused() -> None:
    tree: Tree = {"": {"dependencies": {"a": "1"}}, "node_modules/a": {"version": "1", "dependencies": {"b": "1"}}}
    with pytest.raises(StepError, match="the lock file lacks b, which a needs"):
        needed(tree, X64)


def test_an_optional_peer_that_is_there_for_development_is_not_needed() -> None:
    tree: Tree = {
        "": {"dependencies": {"a": "1"}},
        "node_modules/a": {"peerDependencies": {"ts": "*", "b": "*"}, "peerDependenciesMeta": {"ts": {"optional": True}}},
        "node_modules/b": {"version": "1"},
        "node_modules/ts": {"version": "5"},
    }
    assert list(needed(tree, X64)[0]) == ["node_modules/a", "node_modules/b"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("express@4.18.2", "express@4.17.0"), r"yarn\.lock does not say what express@4\.18\.2 is, which package\.json needs"),
        (("accepts@~1.3.8", "accepts@~1.3.9"), r"what accepts@~1\.3\.8 is, which express@4\.18\.2 needs"),
        (('  version "1.3.8"', "  ?? {"), r"'\?\? \{' is no line that Yarn writes"),
    ],
)
def test_a_yarn_lock_that_does_not_answer_is_refused(edit: tuple[str, str], message: str) -> None:
    text = (LOCKS / "yarn1.lock").read_text()
    assert edit[0] in text
    with pytest.raises(StepError, match=message):
        nodejs_yarn.read(text.replace(*edit), MANIFEST)


def test_what_resolutions_of_yarn_put_in_place_of_a_range_is_found() -> None:
    text = (LOCKS / "yarn1.lock").read_text().replace("accepts@~1.3.8:", "accepts@1.3.8:")
    tree = place(nodejs_yarn.read(text, {**MANIFEST, "resolutions": {"**/accepts": "1.3.8"}}))
    assert tree["node_modules/accepts"]["version"] == "1.3.8"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("lockfileVersion: '9.0'", "lockfileVersion: '5.4'"), r"has format 5\.4; formats 6 and 9 are read"),
        (("specifier: 4.18.2", "specifier: ^4"), r"has express \^4, package\.json 4\.18\.2"),
        (("        version: 4.18.2", "        version: link:../express"), "express is the folder ../express"),
        (("importers:", "importers: ["), "can't be read"),
        (("  accepts@1.3.8:\n    resolution", "  accepts@1.3.9:\n    resolution"), r"nothing is said of accepts@1\.3\.8"),
    ],
)
def test_a_pnpm_lock_that_does_not_answer_is_refused(edit: tuple[str, str], message: str) -> None:
    text = (LOCKS / "pnpm9.yaml").read_text()
    assert edit[0] in text
    with pytest.raises(StepError, match=message):
        nodejs_pnpm.read(text.replace(*edit), MANIFEST)


def test_a_folder_finds_what_lies_beside_and_above_it_but_not_below() -> None:
    tree: Tree = {"": {}, "node_modules/@a/b": {}, "node_modules/@a/b/node_modules/c": {}, "node_modules/c": {}}
    assert find(tree, "node_modules/@a/b", "c") == "node_modules/@a/b/node_modules/c"
    assert find(tree, "node_modules/@a/b/node_modules/c", "c") == "node_modules/@a/b/node_modules/c"
    assert find(tree, "", "c") == "node_modules/c"
    assert find(tree, "node_modules/c", "@a/b") == posixpath.join("node_modules", "@a/b")
    assert find(tree, "", "d") is None
