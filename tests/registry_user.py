"""Somebody at a command line who uses registries: the real commands, in this process, with a HOME of their own."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aac_tasks.cli import main
from aac_tasks.cli.world import World, drive, instances, open_session, plugins

os.environ.setdefault("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")  # not the one of who runs the tests

ADA, PASSWORD = "ada", "correct-horse"

HELPER = """\
#!/usr/bin/env python3
import json, os, sys
place = os.path.expanduser("~/kept.json")
kept = json.load(open(place)) if os.path.exists(place) else {}
said = sys.stdin.read()
if sys.argv[1] == "get":
    if said.strip() not in kept:
        sys.exit("credentials not found in native keychain")
    print(json.dumps({"ServerURL": said.strip(), **kept[said.strip()]}))
elif sys.argv[1] == "list":
    print(json.dumps({server: entry["Username"] for server, entry in kept.items()}))
else:
    if sys.argv[1] == "store":
        entry = json.loads(said)
        kept[entry.pop("ServerURL")] = entry
    else:
        del kept[said.strip()]
    json.dump(kept, open(place, "w"))
"""
"""A credential helper as Docker knows them; what it keeps is in ``kept.json`` at home."""


@dataclass
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class User:
    """Has a home folder, a folder to work in, and an environment."""

    top: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home, self.folder = self.top / "home", self.top / "work"
        for path in (self.home, self.folder):
            path.mkdir(parents=True)
        cache = str(self.top / "cache")
        own = {"HOME": str(self.home), "PATH": os.environ["PATH"], "AAC_CACHE_DIR": cache, "AAC_REGISTRY_TIMEOUT": "5"}
        self.environment = {**own, **self.environment}

    @property
    def config(self) -> Path:
        """Docker's configuration file."""
        return self.home / ".docker" / "config.json"

    def configure(self, value: object) -> None:
        """Write Docker's configuration."""
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(json.dumps(value))

    def has_helper(self, name: str = "test") -> Path:
        """Put a credential helper on PATH; where it keeps logins."""
        folder = self.top / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / f"docker-credential-{name}"
        program.write_text(HELPER)
        program.chmod(0o755)
        self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"
        return self.home / "kept.json"

    def log_in(self, registry: str, secret: str = PASSWORD, *flags: str) -> Said:
        """``agent login``, by default with ADA and her password."""
        return self.agent("login", registry, *(flags or ("-u", ADA, "--password-stdin")), stdin=f"{secret}\n")

    def agent(self, *words: str, stdin: str = "") -> Said:
        """Run ``agent WORDS``."""
        out, err = io.StringIO(), io.StringIO()
        world = World(
            out=out,
            err=err,
            environment=self.environment,
            folder=self.folder,
            open=open_session,
            drive=drive,
            instances=instances,
            plugins=plugins,
            read=io.StringIO(stdin),
        )
        return Said(main(words, world), out.getvalue(), err.getvalue())
