"""What stats must notice beside sources: the settings of the workspace, and which shared cache there is."""

from __future__ import annotations

from pathlib import Path

from team import Member, make_team

QUIET = "– image:ada  up to date  sha256:"


def settled(member: Member) -> None:
    """Until stats alone answer."""
    said = [member.project.agent("build").ok().stdout for _ in range(4)]
    assert said[-1].startswith(QUIET)
    assert said[-1].count("\n") == 1


def test_a_setting_that_changed_is_read_and_a_shared_cache_that_is_left_out_lends_nothing(tmp_path: Path) -> None:
    team = make_team(tmp_path, ("ada",))
    team.settings(place=str(tmp_path / "shared"), protected=[str(tmp_path / "shared")], write=True)
    team.member("ci").project.agent("build").ok()
    member = team.member("eve")
    settled(member)
    assert member.blobs() == []
    said = member.project.agent("build", env={"AAC_SHARED_CACHE": "none"}).ok().stdout
    assert "is gone from the store" in said
    assert len(member.blobs()) >= 5, "it was built here"
    settled(member)
    settings = member.project.folder / "pyproject.toml"
    settings.write_text(settings.read_text().replace("write = true", "wrote = true"))
    assert "has no key 'wrote'" in member.project.agent("build").exits(3).output
