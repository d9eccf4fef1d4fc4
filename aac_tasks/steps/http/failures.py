"""What went wrong on the network, as a StepError: the most specific cause first."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from dataclasses import dataclass

from urllib3 import exceptions

from aac_tasks.errors import StepError
from aac_tasks.steps.http.pools import CONNECT_TIMEOUT, Call
from aac_tasks.steps.http.proxies import Proxy
from aac_tasks.steps.http.watch import STALL, Watch

_CA_HINT = "when a company's proxy or private CA signs it: name the CA's PEM file in SSL_CERT_FILE or AAC_CA_FILE"


@dataclass(frozen=True)
class Asked:
    """What was asked, and how. ``received``: the answer had begun."""

    call: Call
    watch: Watch
    unix: str = ""
    proxy: Proxy | None = None
    received: bool = False


_SILENT = "is it the right address, and is it well? a proxy or firewall in between may swallow the question"


def translate(error: Exception | None, asked: Asked) -> StepError:
    """The error to raise (from ``error``); None when the watch ended it without one."""
    shown = asked.call.shown
    if asked.watch.ended == "cancelled":
        return StepError(f"{shown}: interrupted")
    if asked.watch.ended == "stall":
        return StepError(f"{shown}: nothing arrived for {STALL:g} s in the middle of the answer")
    if asked.watch.ended == "deadline" or asked.watch.remaining == 0:
        more = "; it was still arriving" if asked.received else ""
        return StepError(f"{shown}: did not answer within {asked.watch.seconds:g} s{more}", hint=_SILENT)
    cause = _root(error)
    if asked.unix:
        return _of_socket(cause, asked)
    if asked.proxy is not None and (isinstance(error, exceptions.ProxyError) or _connecting(error)):
        return _of_proxy(cause, asked, asked.proxy)
    return _of_tls(cause, asked) or _of_name(cause, asked) or _of_connection(cause, asked)


def may_pass(error: Exception | None) -> bool:
    """Whether another attempt may succeed: not when a certificate, a name or a socket's path is wrong."""
    cause = _root(error)
    if isinstance(cause, ssl.SSLError):
        return False
    if isinstance(cause, socket.gaierror):
        return cause.errno == socket.EAI_AGAIN
    if "Tunnel connection failed: 4" in str(cause):  # http.client's words when a proxy says no to CONNECT
        return False
    return not isinstance(cause, (FileNotFoundError, PermissionError, exceptions.LocationValueError))


def never_sent(error: Exception | None) -> bool:
    """True when no connection came up, so that nothing can have been done at the other end."""
    return _connecting(error) or isinstance(_root(error), ConnectionRefusedError)


def _connecting(error: Exception | None) -> bool:
    return isinstance(error, (exceptions.NewConnectionError, exceptions.ConnectTimeoutError))


def _root(error: Exception | None) -> BaseException | None:
    """The innermost cause that says something: urllib3 wraps what the operating system said."""
    found: BaseException | None = error
    while found is not None:
        inner = found.__cause__ or found.__context__ or _wrapped(found)
        if not isinstance(inner, (OSError, exceptions.HTTPError, http.client.HTTPException)):
            return found
        found = inner
    return None


def _wrapped(error: BaseException) -> object:
    if isinstance(error, exceptions.ProxyError):
        return error.original_error
    return error.args[-1] if error.args and isinstance(error.args[-1], Exception) else None


def _of_socket(cause: BaseException | None, asked: Asked) -> StepError:
    if isinstance(cause, FileNotFoundError):
        return StepError(f"{asked.unix}: there is no such socket", hint="start the service that listens on it")
    if isinstance(cause, PermissionError):
        return StepError(f"{asked.unix}: this user may not use the socket", hint="join the group that owns it")
    if isinstance(cause, ConnectionRefusedError):
        return StepError(f"{asked.unix}: nobody listens on the socket", hint="start the service that listens on it")
    return StepError(f"{asked.call.shown} on {asked.unix}: {_said(cause)}")


def _of_proxy(cause: BaseException | None, asked: Asked, proxy: Proxy) -> StepError:
    return StepError(
        f"{asked.call.shown}: the proxy {proxy.url} failed: {_said(cause)}",
        hint=f"check {proxy.variable}, or put {asked.call.host} into no_proxy",
    )


def _of_tls(cause: BaseException | None, asked: Asked) -> StepError | None:
    shown = asked.call.shown
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message or _said(cause)
        about_name = cause.verify_code in (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH
        hint = "ask the host by the name that its certificate is for" if about_name else _CA_HINT
        return StepError(f"{shown}: the certificate is not trusted: {reason.rstrip('.')}", hint=hint)
    if isinstance(cause, ssl.SSLError):
        if cause.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
            return StepError(f"{shown}: port {asked.call.port} does not speak TLS", hint="is it plain http?")
        return StepError(f"{shown}: no TLS connection: {(cause.reason or str(cause)).lower().replace('_', ' ')}")
    return None


def _of_name(cause: BaseException | None, asked: Asked) -> StepError | None:
    if not isinstance(cause, socket.gaierror):
        return None
    if cause.errno == socket.EAI_AGAIN:
        return StepError(f"{asked.call.shown}: no name server answers for {asked.call.host}", hint="is there a network?")
    return StepError(
        f"{asked.call.shown}: there is no host {asked.call.host}",
        hint="check its spelling, or set https_proxy",
    )


def _of_connection(cause: BaseException | None, asked: Asked) -> StepError:
    call = asked.call
    where = f"{call.url.host}:{call.port}"
    if isinstance(cause, ConnectionRefusedError):
        return StepError(f"{call.shown}: {where} refuses connections", hint="nothing listens there; is it started?")
    if isinstance(cause, (TimeoutError, exceptions.TimeoutError)):
        seconds = min(CONNECT_TIMEOUT, asked.watch.seconds)
        return StepError(f"{call.shown}: {where} did not answer within {seconds:g} s", hint=_SILENT)
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return StepError(f"{call.shown}: no way to {where}", hint="is there a network? is a proxy needed (https_proxy)?")
    what = "in the middle of the answer" if asked.received else "before an answer came"
    return StepError(f"{call.shown}: the connection to {where} broke {what}: {_said(cause)}")


def _said(cause: BaseException | None) -> str:
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    text = str(cause) if cause is not None else ""
    return text or type(cause).__name__
