"""Images of agents on this machine: those that steps of this workspace built, those that were named, and older ones.

Names that `agent tag`, `agent load` and `agent pull` gave are kept in ``.aac/images.json``. Blobs are the user's, shared by
workspaces: what other images are made of is known from the action cache, which holds every build of the user's, and from what
the other workspaces hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import MEDIA_INDEX, ImageConfig, Platform, StoredImage, local_name
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.oci_index import common_content, index_document
from aac_tasks.contracts.roles import Archive
from aac_tasks.contracts.tools import Tools
from aac_tasks.engines_kept import KeptIn, forget_in_engines
from aac_tasks.errors import StepError, UsageError
from aac_tasks.holding import Held, Names, held_elsewhere
from aac_tasks.known import Known, name_of, several, valid_name
from aac_tasks.session import Session
from aac_tasks.state.saved import remember
from aac_tasks.state.stamps import StampFile
from aac_tasks.state.workspaces import enlist
from aac_tasks.steps.built import images_of
from aac_tasks.steps.image_files import ImageFiles

ARCHIVE = "archive"
LEAST = 6
"""Digits of a digest that name an image at least."""


class Images:
    """Lists, names, removes, saves and loads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._blobs = session.blobs
        self._names = Names(session.state)

    def all(self, *, nameless: bool = False) -> list[Known]:
        """Each image once, with all its names; those that no workspace holds any more only if asked."""
        found = self._here()
        held = {digest for one in found for digest in one.digests} | {d for other in self._others for d in other.digests}
        return [*found, *(one for one in (self._older() if nameless else ()) if one.digest not in held)]

    def find(self, word: str) -> Known:
        """The image that an agent's name, a local name (tag ``latest`` where there is none), a reference that was pulled or
        the begin of a digest names: of an index too, or of one of its platforms.

        Raises:
            UsageError: there is none, or several; says which there are.
        """
        here = self._here()
        named = {one.digest for one in here}
        known = [*here, *(one for one in self._older() if one.digest not in named)]
        names = {word, name_of(word)}
        begin = _digest(word.rpartition("@")[2])
        parts = [replace(one, platforms=(p,), names=(), built=False) for one in known if one.index for p in one.platforms]
        digests = [*known, *(p for p in parts if p.digest not in {one.digest for one in known})]
        for matching in (
            [one for one in known if names & set(one.names)],
            [one for one in known if one.built and one.agent == word],
            [one for one in digests if len(begin) >= len("sha256:") + LEAST and one.digest.startswith(begin)],
        ):
            if len({one.digest for one in matching}) == 1:
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
            "digest": one.digest,
            "content_digest": common_content(one.platforms) if one.index else image.content_digest,
            "size": sum(one.blobs.values()),
            "builder": one.builder,
            "platform": str(image.platform),
            "created": str(document.get("created") or ""),
            "labels": dict(config.labels),
            "layers": layers,
            **(several(one) if one.index else {}),
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
        one, full = self.find(word), valid_name(name)
        owner = next((known for known in self._built() if full in known.names and known.digest != one.digest), None)
        if owner is not None:
            raise UsageError(f"{full} is what agent {owner.agent} is built as; choose another name")
        self.name(one.platforms, (full,))
        return replace(one, names=tuple(dict.fromkeys((*one.names, full))))

    def name(self, platforms: Sequence[StoredImage], given: Sequence[str]) -> None:
        """Let names stand for an image in this workspace."""
        if len(platforms) > 1:
            self._blobs.put(index_document(platforms), media_type=MEDIA_INDEX)
        enlist(self._session.cache, self._session.root)
        with self._names.held() as names:
            names.update(dict.fromkeys(given, tuple(platforms)))

    def remove(self, word: str, *, force: bool = False) -> tuple[Known, int, list[KeptIn]]:
        """Take a name away, or the image itself when it was the last name or a digest was given; bytes that became free, and
        from which engines it went too. Blobs that other images are made of, or that another workspace holds, stay.

        Raises:
            UsageError: it is a part of another image. StepError: only another workspace holds it, or a container needs it.
        """
        one = self.find(word)
        named = [name for name in one.names if name in (word, name_of(word))]
        self._refuse_foreign(word, one)
        whole = not named or len(one.names) == 1
        engines = forget_in_engines(self._session, one, one.names if whole else named, whole=whole, force=force)
        with self._names.held() as names:
            if not whole:
                if named[0] not in names:  # it is what its agent is built as
                    StampFile(self._session.state.step(one.agent, "image")).delete()
                names.pop(named[0], None)
                return replace(one, names=(named[0],)), 0, engines
            for name in one.names:
                names.pop(name, None)
        others = [known for known in (*self._here(), *self._older()) if known.digest != one.digest]
        used = {digest for known in others for digest in known.blobs}
        used |= {blob.digest for other in self._others for image in other.images for blob in image.blobs}
        if one.built and used.issuperset(one.blobs):  # nothing goes, so that it would still be the agent's
            StampFile(self._session.state.step(one.agent, "image")).delete()
        return one, sum(self._blobs.remove(digest) for digest in one.blobs if digest not in used), engines

    def _refuse_foreign(self, word: str, one: Known) -> None:
        if one.names or one.built:
            return
        whole = next((known for known in self._here() if one.digest in known.digests), None)
        if whole is not None:
            name = next(iter(whole.names), whole.digest.short)
            raise UsageError(f"{word} is one platform of {name}; `agent rmi {name}` removes all of them")
        holder = next((other for other in self._others if one.digest in other.digests), None)
        if holder is not None:
            raise StepError(f"{word} belongs to the workspace {holder.root}", hint="remove it there")

    def save(self, word: str, file: Path, platforms: Sequence[Platform] = ()) -> JsonObject:
        """Write an image into a tar file, under its name; of several platforms' all, or the one asked for."""
        one = self.find(word)
        part = one.of(platforms)
        full = next((n for n in one.names if n in (word, name_of(word))), next(iter(one.names), f"image:{one.digest.short}"))
        place = f"{ARCHIVE}:{file}:{full}"
        if part.index:
            self._blobs.put(index_document(part.platforms), media_type=MEDIA_INDEX)
            images = sorted(part.platforms, key=lambda image: image != part.image)  # this machine's first
            pushed = self._archive.push_index(part.index, images, place, self._tools)
        else:
            pushed = self._archive.push(part.image, place, self._tools)
        remember(self._session.state.path, file)
        holds: list[Json] = [str(image.platform) for image in part.platforms]
        left: list[Json] = [str(other.platform) for other in one.platforms if other not in part.platforms]
        facts: JsonObject = {"name": full, "digest": str(pushed.digest), "file": str(file), "size": pushed.sent}
        return {**facts, "platforms": holds, "left_out": left}

    def load(self, file: Path, name: str = "") -> Known:
        """Bring an image from a tar file; it gets the names that it has there, or ``name``.

        Raises:
            StepError: the file holds no image, several, or a broken one; or it is no agent's.
        """
        reference = f"{ARCHIVE}:{file}"
        images = self._archive.pull_all(reference, self._tools)
        config = config_from_oci(self._document(images[0]))
        if "dev.agent.name" not in config.labels:
            raise StepError(f"{file} holds an image that is no agent's: it lacks the label dev.agent.name")
        given = (name,) if name else self._archive.names(reference, self._tools) or (local_name(config, "agent"),)
        self.name(images, [valid_name(one) for one in given])
        return self.find(Known(images).digest)

    # -- where they are known from ------------------------------------------------------------------------------

    def _here(self) -> list[Known]:
        """Those that agents of this workspace are made of, and that names stand for; each once."""
        found: dict[str, Known] = {}
        for one in (*self._built(), *self._named()):
            if self._is_here(one):
                before = found.get(one.digest)
                names = tuple(dict.fromkeys((*before.names, *one.names))) if before else one.names
                found[one.digest] = replace(before or one, names=names)
        return list(found.values())

    @cached_property
    def _others(self) -> list[Held]:
        return held_elsewhere(self._session.cache, self._session.root)

    def _built(self) -> Iterator[Known]:
        folder = self._session.state.path / "agents"
        for agent in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
            outputs = self._session.image(agent)
            if outputs is not None:
                one = Known(images_of(outputs), agent=agent, builder=str(outputs.get("builder") or ""), built=True)
                yield replace(one, names=(self._local_name(agent, one.image),)) if self._is_here(one) else one

    def _local_name(self, agent: str, image: StoredImage) -> str:
        """By its configuration; by what it was made from while that is in a shared cache only."""
        if self._blobs.has(image.config.digest):
            return local_name(self._config(image), agent)
        stamp = self._session.last(agent, "image")
        labels = next((r.get("labels") for r in _list(stamp.action.get("recipes") if stamp else None)), None)
        return local_name(ImageConfig(labels=cast("Mapping[str, str]", labels or {})), agent)

    def _named(self) -> Iterator[Known]:
        for name, platforms in self._names.read().items():
            yield Known(platforms, (name,))

    def _older(self) -> list[Known]:
        """Every build that the user's action cache knows, whoever holds it, each once."""
        found: dict[str, Known] = {}
        for result in self._session.actions.results():
            if "image" in result.outputs:
                one = Known(images_of(result.outputs), builder=str(result.outputs.get("builder") or ""))
                here = all(self._blobs.has(digest) for digest in one.blobs)
                if here and "dev.agent.name" in self._config(one.image).labels:
                    found.setdefault(one.digest, one)
        return list(found.values())

    def _is_here(self, one: Known) -> bool:
        """Or where the shared cache has it."""
        return all(self._blobs.has(digest) or self._blobs.lends(digest) for digest in one.blobs)

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

    @cached_property
    def _tools(self) -> Tools:
        return self._session.hands.tools("", "-")

    @property
    def _archive(self) -> Archive:
        return cast("Archive", self._session.catalog.registries.get(ARCHIVE))


def _digest(word: str) -> str:
    return word if word.startswith("sha256:") else f"sha256:{word}"


def _list(value: Json) -> list[Mapping[str, Json]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
