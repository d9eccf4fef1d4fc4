"""The only sockets: http with deadlines, proxies, extra CAs, retries and redirects that lose no credentials.

``client`` is the door; ``exchange`` follows redirects and retries; ``pools`` owns urllib3, TLS and unix sockets;
``holding`` keeps ports; ``watch`` ends what takes too long; ``proxies`` reads the environment; ``failures`` says
what went wrong.
urllib3 is imported with the first request, never before: start-up stays fast.
"""

from __future__ import annotations

from aac_tasks.steps.http.client import Http

__all__ = ["Http"]
