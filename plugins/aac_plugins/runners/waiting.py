"""A program that waits until it is told to become another: the first process of a container that is there before it is needed.

Its source is waiting.c, which says how it is compiled; 500 bytes need no compiler at every user's.
"""

from __future__ import annotations

import struct

from aac_plugins.oci.docker_api import Engine
from aac_plugins.oci.docker_load import base_image, load_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import ImageConfig, Platform
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.contracts.tools import Tools

IMAGE = "localhost/aac/network:2"
"""The program and nothing else; another number when it changes."""

FOLDER = "/run/aac/waits"
PROGRAM = f"{FOLDER}/wait"
"""Where an image of it has it, and a container that shares it."""

GO = 50
"""The signal that it waits for: one of real time, which no agent expects."""

_MACHINES = {
    "amd64": (
        62,
        "4889e7e90a01000041544989f84889f255534881ec880f0000488b1f4889d88a0884c9741f80f92f75154531d2b83b0000004889df4c89c6"
        "0f05e9c700000048ffc0ebdb4889d631c0488b0e4885c97427803950751c80790141751680790254751080790348750a8079043d7504488d"
        "41054883c608ebd14885c00f8485000000488d7c2488488dac24860f000041bc3b000000803800746d4989c14889fe458a11488d4e014584"
        "d274164180fa3a74104839ee73064488164889ce49ffc1ebdec6062f4889de448a164584d274114839cd720c48ffc148ffc6448851ffebe7"
        "c601004839e9731080383a740b4531d24c89e04c89c60f0531c04180393a0f94c04c01c8eb8e4881c4880f00005b5d415cc3554989f841ba"
        "0800000031ff48b80240000000000200534883ec104c8d4c24084889e348890424b80e0000004889de4c89ca0f0531d2bd8000000041ba08"
        "0000004889e84889df4889d60f054885c078ea31ff4883f832752b498338017620b80e000000bf020000004c89ce0f05498b00498d781049"
        "8d74c010e877feffffbf7f00000031d24531d2b83c0000004889d60f05",
    ),
    "arm64": (
        183,
        "e003009156000014070040f9e50300aae20301aae00307aa0100403961010035e00302aa040080d2030040f9230200b5440900b4ff0740d1"
        "eb058052ea030091e9fb3f913b0000143fbc0071e1000054e00307aae10305aaa81b80d2030080d2010000d4c0035fd600040091ebffff17"
        "610040393f400171c1010054610440393f04017161010054610840393f50017101010054610c40393f200171a1000054611040393ff40071"
        "410000546414009100200091ddffff171f0009eb6200005401000039e00303aac6040091c1004039030400913fe800712418407ae1feff54"
        "0b000039e00307aa01004039610000347f0009ebc90200547f0000397f0009eb22010054800040391fe80071c0000054a81b80d2e0030aaa"
        "e10305aa030080d2010000d4c00040391fe80071c414869a8000403960000035ff074091c0035fd6e60304aae0030aaae1ffff1700040091"
        "61140038e5ffff17c0035fd6fd7bbea9e40300aa400088d2fd030091e6430091e56300914000e0f2e81080d2e10306aae20305aa030180d2"
        "e00b00f9000080d2010000d4e00306aa281180d2010080d2020080d2030180d2010000d440ffffb71fc800f161020054800040f91f0400f1"
        "49010054e10305aae81080d2400080d2010000d4810040f98040009121080091810c018b89ffff97e00f80d2a80b80d2010080d2020080d2"
        "030080d2010000d4000080d2faffff17",
    ),
}
"""Architecture → its number in an ELF header (``e_machine``), and what gcc 12 makes of waiting.c."""


def runs_on(platform: Platform) -> bool:
    """Whether there is a program for it."""
    return platform.os == "linux" and platform.architecture in _MACHINES


def program(architecture: str) -> bytes:
    """It, static: one segment, no library. Source: elf(5)."""
    machine, text = _MACHINES[architecture]
    code = bytes.fromhex(text)
    start, size = 0x400000, 64 + 56 + len(code)
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, machine, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 0x1000) + code


def waiting_image(engine: Engine, platform: Platform, tools: Tools) -> str:
    """The id of an image of it in the engine, which is given it once."""
    entry = Entry(PROGRAM.lstrip("/"), "file", 0o755, data=program(platform.architecture))
    with tools.scratch() as scratch:
        layer = write_layer([entry], tools.blobs, scratch, name="base", created=0)
    config = ImageConfig(entrypoint=(PROGRAM,), user="65534:65534")
    image = base_image(BaseImage((layer,), config), IMAGE, platform, tools.blobs)
    return load_image(engine, image, (IMAGE,), tools).id
