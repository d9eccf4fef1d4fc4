from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from aac_plugins.debian.closure import Closure, Relation, Universe, compare, parse_relations
from aac_plugins.debian.index import Index, reduce_packages
from aac_plugins.debian.languages import left_out
from aac_tasks.errors import StepError


def universe(tmp_path: Path, *texts: str) -> Universe:
    return Universe([index(tmp_path, text, number) for number, text in enumerate(texts)])


def index(tmp_path: Path, text: str, number: int = 0) -> Index:
    """``name version field=value; …`` per line, as a Packages file."""
    paragraphs = []
    for line in text.strip().splitlines():
        name, version, *rest = line.strip().split(" ", 2)
        fields = [part.strip().replace("=", ": ", 1) for part in "".join(rest).split(";") if part.strip()]
        head = [
            f"Package: {name}",
            f"Version: {version}",
            f"Filename: {name}.deb",
            "Size: 1",
            f"SHA256: {'0' * 64}",
        ]
        paragraphs.append("\n".join([*head, *fields]))
    packages = tmp_path / f"{number}.xz"
    packages.write_bytes(lzma.compress(("\n\n".join(paragraphs) + "\n").encode()))
    reduce_packages(packages, tmp_path / f"{number}.index")
    return Index(tmp_path / f"{number}.index", number)


def needs(universe: Universe, *roots: str) -> list[str]:
    return [record.name for record in Closure(universe, lambda a, b: False).of(roots)]


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0-1"),
        ("1.9", "1.10"),
        ("9", "1:0"),
        ("2.41-12", "2.41-12+deb13u5"),
        ("1.0~", "1.0"),
        ("1.0~~", "1.0~"),
        ("1.0a", "1.0+"),
    ],
)
def test_versions_are_in_the_order_that_policy_says(smaller: str, larger: str) -> None:
    assert compare(smaller, larger) < 0 < compare(larger, smaller)
    assert compare(larger, larger) == 0


def test_a_dependency_field_is_read_with_alternatives_qualifiers_and_versions() -> None:
    assert parse_relations("libc6 (>= 2.14), python3:any , a | b (<< 2~)") == [
        [Relation("libc6", ">=", "2.14")],
        [Relation("python3")],
        [Relation("a"), Relation("b", "<<", "2~")],
    ]


def test_a_dependency_field_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(StepError, match="can't read the dependency 'a b'"):
        parse_relations("a b")


def test_the_first_alternative_that_is_there_is_taken(tmp_path: Path) -> None:
    there = universe(tmp_path, "a 1 Depends=missing | old (>= 2) | c | d\nold 1\nc 1\nd 1")
    assert needs(there, "a") == ["c", "a"]


def test_an_alternative_that_is_taken_anyway_is_preferred(tmp_path: Path) -> None:
    there = universe(tmp_path, "a 1 Depends=d, c | d\nc 1\nd 1")
    assert needs(there, "a") == ["d", "a"]


def test_a_virtual_package_is_provided_by_priority_then_name(tmp_path: Path) -> None:
    there = universe(
        tmp_path,
        "a 1 Depends=awk\naaa 1 Provides=awk; Priority=optional\nmawk 1 Provides=awk; Priority=required\n"
        "zawk 1 Provides=awk; Priority=required",
    )
    assert needs(there, "a") == ["mawk", "a"]


def test_a_name_provided_without_version_satisfies_no_versioned_dependency(tmp_path: Path) -> None:
    there = universe(tmp_path, "a 1 Depends=v (>= 2)\nplain 1 Provides=v\nexact 1 Provides=v (= 2.1)")
    assert needs(there, "a") == ["exact", "a"]


def test_packages_that_need_each_other_come_both(tmp_path: Path) -> None:
    assert sorted(needs(universe(tmp_path, "a 1 Depends=b\nb 1 Depends=a"), "a")) == ["a", "b"]


def test_a_dependency_that_nothing_satisfies_is_named_with_who_needs_it(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"package a 1 needs b \(>= 2\), which the archive lacks"):
        needs(universe(tmp_path, "a 1 Depends=b (>= 2)\nb 1"), "a")


def test_of_several_archives_the_newest_version_counts_and_says_where_it_is(tmp_path: Path) -> None:
    there = universe(tmp_path, "a 1.9\na 1.8", "a 1.10", "b 1")
    best = there.best("a")
    assert best is not None and (best.version, best.source) == ("1.10", 1)


def test_what_only_maintainer_scripts_need_is_not_followed_unless_it_is_asked_for(tmp_path: Path) -> None:
    there = universe(tmp_path, "ca-certificates 1 Depends=openssl, debconf | debconf-2.0\nopenssl 1\ndebconf 1")
    closure = Closure(there, left_out)
    assert [r.name for r in closure.of(["ca-certificates", "openssl"])] == ["ca-certificates", "openssl"]


def test_every_name_of_an_index_is_found_and_no_other(tmp_path: Path) -> None:
    names = ["a", "a-b", "a.b", "a+", "aa", "ab", "b", "lib", "lib-c", "lib2", "z", "zz"]
    there = index(tmp_path, "\n".join(f"{name} 1 Provides=virtual-{name}" for name in reversed(names)))
    assert [r.name for name in names for r in there.records(name)] == names
    assert [p for name in names for p in there.providers(f"virtual-{name}")] == names
    for absent in ("", "0", "a-", "aaa", "m", "zzz", "~", "virtual-a"):
        assert there.records(absent) == []
    assert there.names("lib") == ["lib", "lib-c", "lib2"]


def test_folded_fields_are_read_as_one_line(tmp_path: Path) -> None:
    there = index(tmp_path, "a 1 Depends=b,\n")
    assert there.records("a")[0].depends == "b,"
    packages = tmp_path / "f.xz"
    text = f"Package: a\nVersion: 1\nDepends: b,\n c (>= 1),\n\td\nFilename: x\nSize: 1\nSHA256: {'0' * 64}\n"
    packages.write_bytes(lzma.compress(text.encode()))
    reduce_packages(packages, tmp_path / "f.index")
    assert Index(tmp_path / "f.index").records("a")[0].depends == "b, c (>= 1), d"


def test_an_index_that_was_cut_off_is_not_whole(tmp_path: Path) -> None:
    index(tmp_path, "a 1\nb 1")
    path = tmp_path / "0.index"
    assert Index.whole(path)
    path.write_bytes(path.read_bytes()[:-3])
    assert not Index.whole(path)
    assert not Index.whole(tmp_path / "absent")


def test_an_index_that_can_not_be_unpacked_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    packages = tmp_path / "Packages.xz"
    packages.write_bytes(lzma.compress(b"Package: a\n" * 1000)[:-10])
    with pytest.raises(StepError, match="can't be unpacked"):
        reduce_packages(packages, tmp_path / "index")
    assert not (tmp_path / "index").exists()
