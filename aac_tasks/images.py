"""Images of agents on this machine: those that steps of this workspace built, those that were named, and older ones.

Names that `agent tag` and `agent load` gave are kept in ``.aac/images.json``. Blobs are the user's, shared by workspaces: what
other images are made of is known from the action cache, which holds every build of the user's.
"""

from __future__ import annotations

import json
import platform as machine
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import cast

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import Digest, ImageConfig, ImageRef, Platform, StoredImage, local_name
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.roles import Archive
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError, UsageError
from aac_tasks.session import Session
from aac_tasks.state.root import write_atomically
from aac_tasks.state.stamps import StampFile, exclusively, read_sealed, seal
from aac_tasks.steps.built import image_here
from aac_tasks.steps.image_files import ImageFiles

NAMES = "images.json"
ARCHIVE = "archive"
LEAST = 6
"""Digits of a digest that name an image at least."""

CPUS = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Known:
    """An image whose blobs are here. ``built``: it is what its agent in this workspace is made of now. ``several`` says what
    stands above it where it was built for several platforms: the index, whose digest is then the one to tell.
    """

    image: StoredImage
    names: tuple[str, ...] = ()
    agent: str = ""
    builder: str = ""
    built: bool = False
    several: JsonObject = field(default_factory=dict)

    @property
    def digest(self) -> Digest:
        """The manifest's."""
        return self.image.manifest.digest


class Images:
    """Lists, names, removes, saves and loads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._blobs = session.blobs
        self._record = session.state.path / NAMES

    def all(self, *, nameless: bool = False) -> list[Known]:
        """Each image once, with all its names; those that no name and no agent here stands for only if asked."""
        found: dict[str, Known] = {}
        for one in (*self._built(), *self._named(), *(self._cached() if nameless else ())):
            if not self._is_here(one.image):
                continue
            before = found.get(one.digest)
            names = tuple(dict.fromkeys((*before.names, *one.names))) if before else one.names
            found[one.digest] = replace(before or one, names=names)
        return list(found.values())

    def find(self, word: str) -> Known:
        """The image that an agent's name, a local name (tag ``latest`` where there is none) or the begin of a digest names.

        Raises:
            UsageError: there is none, or several; says which there are.
        """
        known = self.all(nameless=True)
        names = {word, word if ":" in word else f"{word}:latest"}
        for matching in (
            [one for one in known if names & set(one.names)],
            [one for one in known if one.built and one.agent == word],
            [one for one in known if len(word.removeprefix("sha256:")) >= LEAST and one.digest.startswith(_digest(word))],
        ):
            if len(matching) == 1:
                return matching[0]
            if matching:
                raise UsageError(f"{word!r} names {len(matching)} images; give more digits of the digest")
        there = ", ".join(name for one in known for name in one.names) or "there are none"
        raise UsageError(f"no image {word!r} here; expected an agent, a name or a digest ({there})")

    def facts(self, one: Known) -> JsonObject:
        """What the image itself says, from its manifest and configuration."""
        image, document = one.image, self._document(one.image)
        config = config_from_oci(document)
        history = [entry for entry in _list(document.get("history")) if not entry.get("empty_layer")]
        made = [str(entry.get("created_by") or "") for entry in history]
        layers: list[Json] = [
            {
                "name": layer.name or (made[number] if number < len(made) else ""),
                "digest": layer.blob.digest,
                "size": layer.blob.size,
                "diff_id": layer.diff_id,
            }
            for number, layer in enumerate(image.layers)
        ]
        return {
            "agent": one.agent or config.labels.get("dev.agent.name", ""),
            "names": list(one.names),
            "digest": image.manifest.digest,
            "content_digest": image.content_digest,
            "size": sum(blob.size for blob in (image.manifest, image.config, *(layer.blob for layer in image.layers))),
            "builder": one.builder,
            "platform": str(image.platform),
            "created": str(document.get("created") or ""),
            "labels": dict(config.labels),
            "layers": layers,
            **one.several,
        }

    def inside(self, one: Known) -> JsonObject:
        """How the image wants to be run, and the agent's own configuration that is in it."""
        config = config_from_oci(self._document(one.image))
        return {
            "user": config.user,
            "workdir": config.working_dir,
            "entrypoint": list(config.entrypoint),
            "command": list(config.cmd),
            "env": list(config.env),
            "ports": list(config.exposed_ports),
            "volumes": list(config.volumes),
            "healthcheck": encode(config.healthcheck),
            "spec": self._spec(one.image, config),
            "image": encode(one.image),
        }

    def tag(self, word: str, name: str) -> Known:
        """Give an image another local name, which may have been another's.

        Raises:
            UsageError: no such image, the name is no name, or it is that of an agent's own image.
        """
        one, full = self.find(word), _name(name)
        owner = next((known for known in self._built() if full in known.names and known.digest != one.digest), None)
        if owner is not None:
            raise UsageError(f"{full} is what agent {owner.agent} is built as; choose another name")
        with self._names_held() as names:
            names[full] = one.image
        return replace(one, names=tuple(dict.fromkeys((*one.names, full))))

    def remove(self, word: str) -> tuple[Known, int]:
        """Take a name away, or the image itself when it was the last name or a digest was given; bytes that became free.

        Blobs that other images are made of stay.
        """
        one = self.find(word)
        named = [name for name in one.names if name in (word, f"{word}:latest")]
        with self._names_held() as names:
            if named and len(one.names) > 1:
                if named[0] not in names:  # it is what its agent is built as
                    StampFile(self._session.state.step(one.agent, "image")).delete()
                names.pop(named[0], None)
                return replace(one, names=(named[0],)), 0
            for name in one.names:
                names.pop(name, None)
        others = [known for known in self.all(nameless=True) if known.digest != one.digest]
        used = {digest for known in others for digest in _blobs(known.image)}
        return one, sum(self._blobs.remove(digest) for digest in _blobs(one.image) if digest not in used)

    def save(self, word: str, file: Path) -> JsonObject:
        """Write an image into a tar file, under its name."""
        one = self.find(word)
        full = next((n for n in one.names if n in (word, f"{word}:latest")), next(iter(one.names), f"image:{one.digest.short}"))
        pushed = self._archive.push(one.image, f"{ARCHIVE}:{file}:{full}", self._tools)
        return {"name": full, "digest": str(pushed.digest), "file": str(file), "size": pushed.sent}

    def load(self, file: Path, name: str = "") -> Known:
        """Bring an image from a tar file; it gets the names that it has there, or ``name``.

        Raises:
            StepError: the file holds no image, several, or a broken one; or it is no agent's.
        """
        reference = f"{ARCHIVE}:{file}"
        platform = Platform("linux", CPUS.get(machine.machine(), machine.machine()))
        image = self._archive.pull(reference, platform, self._tools)
        config = config_from_oci(self._document(image))
        if "dev.agent.name" not in config.labels:
            raise StepError(f"{file} holds an image that is no agent's: it lacks the label dev.agent.name")
        given = (name,) if name else self._archive.names(reference, self._tools) or (local_name(config, "agent"),)
        with self._names_held() as names:
            names.update({_name(one): image for one in given})
        return self.find(image.manifest.digest)

    # -- where they are known from ------------------------------------------------------------------------------

    def _built(self) -> Iterator[Known]:
        folder = self._session.state.path / "agents"
        for agent in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
            outputs = self._session.image(agent)
            if outputs is not None:
                image = image_here(outputs)
                names = (self._local_name(agent, image),) if self._is_here(image) else ()
                above = ("digest", "content_digest", "platforms", "index", "images") if "index" in outputs else ()
                several = {name: outputs[name] for name in above}
                yield Known(image, names, agent, str(outputs.get("builder") or ""), built=True, several=several)

    def _local_name(self, agent: str, image: StoredImage) -> str:
        """By its configuration; by what it was made from while that is in a shared cache only."""
        if self._blobs.has(image.config.digest):
            return local_name(self._config(image), agent)
        stamp = self._session.last(agent, "image")
        labels = next((r.get("labels") for r in _list(stamp.action.get("recipes") if stamp else None)), None)
        return local_name(ImageConfig(labels=cast("Mapping[str, str]", labels or {})), agent)

    def _named(self) -> Iterator[Known]:
        for name, image in self._names().items():
            yield Known(image, (name,))

    def _cached(self) -> Iterator[Known]:
        for result in self._session.actions.results():
            if "image" in result.outputs:
                image = decode(StoredImage, result.outputs["image"])
                here = all(self._blobs.has(digest) for digest in _blobs(image))
                if here and "dev.agent.name" in self._config(image).labels:
                    yield Known(image, builder=str(result.outputs.get("builder") or ""))

    def _is_here(self, image: StoredImage) -> bool:
        """Or where the shared cache has it."""
        return all(self._blobs.has(digest) or self._blobs.lends(digest) for digest in _blobs(image))

    def _document(self, image: StoredImage) -> JsonObject:
        with self._blobs.open(image.config.digest) as file:
            return cast("JsonObject", json.load(file))

    def _config(self, image: StoredImage) -> ImageConfig:
        return config_from_oci(self._document(image))

    def _spec(self, image: StoredImage, config: ImageConfig) -> Json:
        place = next((value for name, _, value in (v.partition("=") for v in config.env) if name == "AGENT_CONFIG"), "")
        files = ImageFiles(image.layers, self._blobs) if place else None
        found = files.find(place) if files else None
        try:
            return cast("Json", json.loads(files.text(found))) if files and found else None
        except ValueError:
            return None

    # -- names --------------------------------------------------------------------------------------------------

    def _names(self) -> dict[str, StoredImage]:
        """What the record says; a torn one is as good as none."""
        try:
            value = read_sealed(self._record)
        except (OSError, ValueError):
            return {}
        return {name: decode(StoredImage, image) for name, image in value.items()} if isinstance(value, dict) else {}

    @contextmanager
    def _names_held(self) -> Iterator[dict[str, StoredImage]]:
        """The names, written back at the end; nobody else changes them meanwhile."""
        with exclusively(self._session.state.path):
            names = self._names()
            yield names
            write_atomically(self._record, seal(dict(names)))

    @cached_property
    def _tools(self) -> Tools:
        return self._session.hands.tools("", "-")

    @property
    def _archive(self) -> Archive:
        return cast("Archive", self._session.catalog.registries.get(ARCHIVE))


def _name(text: str) -> str:
    """A local name with its tag; UsageError when it is none."""
    try:
        ref = ImageRef.parse(text, default_registry="")
    except ValueError as error:
        raise UsageError(str(error)) from error
    if ref.digest:
        raise UsageError(f"{text!r} is no name: a digest can't be given")
    return str(ref.with_tag(ref.tag or "latest"))


def _digest(word: str) -> str:
    return word if word.startswith("sha256:") else f"sha256:{word}"


def _blobs(image: StoredImage) -> tuple[Digest, ...]:
    return (image.manifest.digest, image.config.digest, *(layer.blob.digest for layer in image.layers))


def _list(value: Json) -> list[Mapping[str, Json]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
