"""Answers how many words a text has, articles left out."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

LEFT_OUT = set(Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        text = parse_qs(url.query).get("text", [""])[0]
        words = [word for word in text.lower().split() if word not in LEFT_OUT]
        answer = {"words": len(words), "greeting": os.environ.get("GREETING", "")}
        body = json.dumps({"status": "ok"} if url.path == "/health" else answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ.get("PORT", "8080"))), Handler).serve_forever()
