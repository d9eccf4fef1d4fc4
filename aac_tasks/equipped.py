"""A run that can do something: it has hands and a shared cache, each made when it is first needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from aac_tasks.run import Run
from aac_tasks.settings import has_shared_cache

if TYPE_CHECKING:
    from aac_tasks.hands import Hands
    from aac_tasks.sharing import Sharing
    from aac_tasks.state.blobs import Lender


class Equipped(Run):
    """What runs at home and errands for others have in common."""

    @cached_property
    def hands(self) -> Hands:
        """What does: tools, runners, secrets."""
        from aac_tasks.hands import Hands  # lazy: no http and no processes while everything is up to date

        return Hands(self)

    @cached_property
    def sharing(self) -> Sharing | None:
        """The shared cache, None where there is none."""
        if not has_shared_cache(self.settings.cache, self.options.environment):
            return None
        from aac_tasks.sharing import Sharing  # lazy: most runs share nothing

        return Sharing(self, lambda: self.hands)

    def _lender(self) -> Lender | None:
        return self.sharing

    def close(self) -> None:
        """End children that are still there."""
        if "hands" in self.__dict__:
            self.hands.close()
