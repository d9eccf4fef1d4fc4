"""The Dockerfile of a build stage as an engine gets it: what is copied at once."""

from __future__ import annotations

from pathlib import Path

from plugins.python.python_workbench import make_tools

from aac_plugins.builders.stages import CONTEXTS, Work, lender, stage_text
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.contracts.recipe import Recipe, Run, Stage, Write

RECIPE = Recipe("hello", Platform(), LockedBase("debian", "debian:trixie", Platform()), ())


def test_files_below_the_first_one_s_folder_are_copied_at_once_but_nothing_below_the_root(tmp_path: Path) -> None:
    files = {
        "/crates/Cargo.toml": "a", "/crates/src/main.rs": "b", "/crates/part/Cargo.toml": "c", "/crates/part/src/lib.rs": "d",
        "/cratesx/y": "e", "/install.py": "f", "/other.py": "g", "/lib/z": "h",
    }  # fmt: skip
    again = Write("/lib/z", "i")
    stage = Stage("build", (*(Write(target, text) for target, text in files.items()), again, Run(("true",))), "base")
    work = Work("stage", tmp_path / "work", Platform())
    work.lent.mkdir(parents=True)
    text = stage_text(stage, "base", RECIPE, lender(work, make_tools(tmp_path / "user")), CONTEXTS)
    copies = [line for line in text.splitlines() if line.startswith("COPY")]
    assert copies == [
        "COPY --from=lent0 / /crates/", "COPY --from=lent1 / /cratesx/", "COPY --from=lent2 / /", "COPY --from=lent3 / /lib/",
        "COPY --from=lent4 / /lib/",
    ]  # fmt: skip
    lent = {p.relative_to(work.lent).as_posix(): p.read_text() for p in work.lent.rglob("*") if p.is_file()}
    assert lent == {
        "0/Cargo.toml": "a", "0/src/main.rs": "b", "0/part/Cargo.toml": "c", "0/part/src/lib.rs": "d", "1/y": "e",
        "2/install.py": "f", "2/other.py": "g", "3/z": "h", "4/z": "i",
    }  # fmt: skip
    assert {p.stat().st_mode & 0o777 for p in work.lent.rglob("*") if p.is_dir()} == {0o755}
