"""What an unquoted scalar stands for, field by field: the YAML 1.2 core schema, without its surprises.

``yes``, ``010``, ``1_000``, ``12:30`` and ``2024-01-01`` stay text (YAML 1.1 makes a bool, 8, 1000, 750 and
a date of them). A boolean *field* takes ``yes`` and ``on`` as well, because there they are clear.
"""

from __future__ import annotations

import math
import re

from aac_tasks.contracts.canonical import Json
from aac_tasks.spec.tree import Scalar

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_YES = _TRUE | {"yes", "Yes", "YES", "on", "On", "ON"}
_NO = _FALSE | {"no", "No", "NO", "off", "Off", "OFF"}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,15}")
_OCTAL = re.compile(r"0o[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]{0,30})(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,4})?")


def is_null(node: Scalar) -> bool:
    """Nothing was said: empty, ``~`` or ``null`` without quotes."""
    return node.tag == "null" or (node.plain and not node.tag and node.text in _NULL)


def _bare(node: Scalar) -> bool:
    return (node.plain and not node.tag) or node.tag in ("int", "float", "bool")


def boolean(node: Scalar) -> Json:
    """A bool, or the raw text when it is none."""
    if _bare(node) and node.text in _YES:
        return True
    return False if _bare(node) and node.text in _NO else node.text


def integer(node: Scalar) -> Json:
    """8080, 8080.0 and 0x1F90 → int; a float with a fraction → float; anything else stays text."""
    value = number(node)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def number(node: Scalar) -> Json:
    """An int or finite float, or the raw text when it is none."""
    if not _bare(node):
        return node.text
    text = node.text
    if _INT.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if not text.isdigit() and _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text  # longer digits included: a float would lose some of them


def free(node: Scalar) -> Json:
    """What a scalar means where the schema says nothing."""
    if is_null(node):
        return None
    if node.tag == "str" or not _bare(node):
        return node.text
    if node.text in _TRUE or node.text in _FALSE:
        return node.text in _TRUE
    return number(node)
