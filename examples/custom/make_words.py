"""Runs while the image is built: what it writes becomes a file of the image."""

import sys
from pathlib import Path

Path(sys.argv[1]).write_text("\n".join(["a", "an", "the"]) + "\n", encoding="utf-8")
