"""The probe's texts: PORT SECONDS [PATH]. Exit 0 when the port accepts, or when GET PATH answers 2xx or 3xx in time."""

from __future__ import annotations

from collections.abc import Mapping

GO: Mapping[str, str] = {
    "go.mod": "module probe\n\ngo 1.21\n",
    "main.go": r"""package main

import (
	"io"
	"net"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 3 || !well(os.Args[1], os.Args[2]+"s", os.Args[3:]) {
		os.Exit(1)
	}
}

func well(port, seconds string, path []string) bool {
	limit, err := time.ParseDuration(seconds)
	if err != nil {
		return false
	}
	address := "127.0.0.1:" + port
	connection, err := net.DialTimeout("tcp", address, limit)
	if err != nil || len(path) == 0 {
		return err == nil
	}
	connection.SetDeadline(time.Now().Add(limit))
	io.WriteString(connection, "GET "+path[0]+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: close\r\n\r\n")
	head := make([]byte, len("HTTP/1.1 200"))
	_, err = io.ReadFull(connection, head)
	return err == nil && string(head[:7]) == "HTTP/1." && (head[9] == '2' || head[9] == '3')
}
""",
}
"""Without net/http, which would make it three times as large."""

RUST: Mapping[str, str] = {
    "Cargo.toml": '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n\n[workspace]\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "probe"\nversion = "0.0.0"\n',
    "src/main.rs": r"""use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

fn main() {
    std::process::exit(if well().is_some() { 0 } else { 1 });
}

fn well() -> Option<()> {
    let mut words = std::env::args().skip(1);
    let port: u16 = words.next()?.parse().ok()?;
    let limit = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, limit).ok()?;
    let Some(path) = words.next() else { return Some(()) };
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.set_write_timeout(Some(limit)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    (head.starts_with(b"HTTP/1.") && matches!(head[9], b'2' | b'3')).then_some(())
}
""",
}
