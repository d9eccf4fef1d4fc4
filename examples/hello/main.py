"""Greets whoever asks, over HTTP."""

from __future__ import annotations

import json
import os

import uvicorn
from markupsafe import escape
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

GREETING = os.environ.get("GREETING", "Hello")


async def greet(request: Request) -> HTMLResponse:
    return HTMLResponse(f"<p>{GREETING}, {escape(request.query_params.get('name', 'world'))}</p>\n")


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


async def chat(request: Request) -> JSONResponse:
    try:
        message = (await request.json())["message"]
    except (json.JSONDecodeError, LookupError, TypeError):
        return JSONResponse({"error": 'send {"message": "your words"}'}, status_code=400)
    return JSONResponse({"answer": f"{GREETING}! You said: {message}"})


app = Starlette(
    routes=[Route("/", greet), Route("/health", health), Route("/chat", chat, methods=["POST"])],
)

if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=int(os.environ.get("PORT", "8080")), log_level="info")
