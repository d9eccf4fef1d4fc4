"""What a command line says over what agent.yaml says, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aac_tasks.contracts.actions import EnvValue, InstanceSpec, Isolation, Limits, Mount, PortMapping
from aac_tasks.plan.overrides import Overrides, overridden

SPEC = InstanceSpec(
    "agent",
    env=(EnvValue("A", "1"), EnvValue("TOKEN", secret="env:TOKEN")),
    ports=(PortMapping(8080, 80), PortMapping(9000)),
    mounts=(Mount("volume", "/data", "kept"), Mount("tmpfs", "/tmp")),
    limits=Limits(cpu=1.0, memory=100),
    isolation=Isolation(cap_add=("NET_ADMIN", "CHOWN"), dns=("1.1.1.1",), network="team"),
    command=("serve",),
)


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        (Overrides(), {}),
        (Overrides(name="second"), {"name": "second"}),
        (
            Overrides(env=(EnvValue("TOKEN", "t"), EnvValue("B", file="/x"), EnvValue("B", "2"))),
            {"env": (EnvValue("A", "1"), EnvValue("TOKEN", "t"), EnvValue("B", "2"))},
        ),
        (
            Overrides(ports=(PortMapping(8080, 81, address="10.0.0.1"), PortMapping(8080, 53, "udp"))),
            {"ports": (PortMapping(8080, 81, address="10.0.0.1"), PortMapping(9000), PortMapping(8080, 53, "udp"))},
        ),
        (
            Overrides(mounts=(Mount("bind", "/data/", "/x", anywhere=True),)),
            {"mounts": (Mount("bind", "/data/", "/x", anywhere=True), Mount("tmpfs", "/tmp"))},
        ),
        (Overrides(limits=Limits(memory=5, gpu=-1)), {"limits": Limits(cpu=1.0, memory=5, gpu=-1)}),
        (Overrides(lifted=("cpu", "memory")), {"limits": Limits()}),
        (Overrides(limits=Limits(cpu=2.0), lifted=("memory",)), {"limits": Limits(cpu=2.0)}),
        (Overrides(restart="always", command=("a", "b")), {"restart": "always", "command": ("a", "b")}),
        (Overrides(isolation=Isolation(network="none", dns=("9.9.9.9",), user="1:2", read_only_root=True)),
         {"isolation": Isolation(True, ("NET_ADMIN", "CHOWN"), (), "none", ("9.9.9.9",), "1:2")}),
    ],
)  # fmt: skip
def test_flags_replace_what_they_name_and_leave_the_rest(said: Overrides, changes: dict[str, object]) -> None:
    assert overridden(SPEC, said) == replace(SPEC, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("add", "drop", "has"),
    [
        ((), (), ("NET_ADMIN", "CHOWN")),
        (("cap_kill",), (), ("NET_ADMIN", "CHOWN", "KILL")),
        ((), ("CAP_CHOWN",), ("NET_ADMIN",)),
        ((), ("all",), ()),
        (("KILL",), ("ALL",), ("KILL",)),
        (("CHOWN",), ("CHOWN",), ("NET_ADMIN",)),
    ],
)
def test_capabilities_are_added_and_dropped(add: tuple[str, ...], drop: tuple[str, ...], has: tuple[str, ...]) -> None:
    assert overridden(SPEC, Overrides(isolation=Isolation(cap_add=add, cap_drop=drop))).isolation.capabilities == has
