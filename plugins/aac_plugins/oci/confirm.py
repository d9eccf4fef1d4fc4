"""Whether a file still has the bytes that its blob's name says: disks fail, and people edit what they should not."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aac_tasks.contracts.image import Descriptor
from aac_tasks.errors import StepError

MEND = "`agent cache verify` removes what is damaged; the next run makes it again"

_PIECE = 1 << 20


def confirm(blob: Descriptor, path: Path) -> None:
    """StepError when the file is not the blob; one that is not there is nobody's mistake here."""
    if path.exists() and not is_intact(blob, path):
        raise StepError(f"blob {blob.digest} in the store is damaged: its bytes hash to something else", hint=MEND)


def is_intact(blob: Descriptor, path: Path) -> bool:
    """Whether the file hashes to the blob's digest."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}" == blob.digest
