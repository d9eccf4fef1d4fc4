"""A front for each port of an agent, whatever stands behind them."""

from __future__ import annotations

from collections.abc import Callable

from aac_tasks.contracts.actions import PortMapping
from aac_tasks.contracts.running import Instance
from aac_tasks.errors import StepError
from aac_tasks.steps.http.front import Front

LOOPBACK = "127.0.0.1"


class Fronts:
    """None until `listen`. ``tell`` gets what a person should know."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._fronts: dict[PortMapping, Front] = {}

    @property
    def url(self) -> str:
        """Where the first one is, "" without one."""
        return next((f"http://{front.address}:{front.port}" for front in self._fronts.values()), "")

    def listen(self, ports: tuple[PortMapping, ...]) -> None:
        """One for each of these ports; those that there are already are kept, others end.

        Raises:
            StepError: a port that was asked for is taken.
        """
        for gone in [port for port in self._fronts if port not in ports]:
            self._fronts.pop(gone).close()
        for port in ports:
            if port not in self._fronts:
                self._fronts[port] = self._front(port)

    def lead_to(self, instance: Instance) -> None:
        """Where connections go that are made from now on."""
        for port, front in self._fronts.items():
            front.lead_to(instance.address, instance.ports[f"{port.container}/tcp"])

    def lead_nowhere(self) -> None:
        """Nothing serves: new connections wait a moment for something that does."""
        for front in self._fronts.values():
            front.lead_nowhere()

    def close(self) -> None:
        """Give every port back."""
        for front in self._fronts.values():
            front.close()
        self._fronts.clear()

    def _front(self, port: PortMapping) -> Front:
        address = port.address or LOOPBACK
        try:
            return Front(address, port.host or port.container)
        except StepError as error:
            if port.host:
                raise StepError(error.message, hint=f"give it another one with -p HOST:{port.container}") from error
            front = Front(address, 0)
            self._tell(f"{error.message}; {front.port} is taken instead")
            return front
