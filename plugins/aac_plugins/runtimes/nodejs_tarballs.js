// Unpack npm tarballs into node_modules: `node nodejs_tarballs.js LIST TARBALLS ROOT`.
// LIST is a JSON file: path below ROOT -> name of its tarball in TARBALLS, in the order to unpack in.
// The same rules as in nodejs_tarballs.py, with nothing but Node.js: this runs in a build stage that has no tar and no shell.
"use strict";
const fs = require("fs");
const { posix } = require("path");
const zlib = require("zlib");

const [list, tarballs, root] = process.argv.slice(2);
process.umask(0);

function text(block, start, length) {
  const end = block.indexOf(0, start);
  return block.toString("utf8", start, end < 0 || end > start + length ? start + length : end);
}

function number(block, start, length) {
  if (block[start] & 0x80) return Number(BigInt("0x" + block.toString("hex", start + 1, start + length)));
  return parseInt(text(block, start, length).trim(), 8) || 0;
}

function paxOf(data) {
  const found = {};
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(32, at);
    const length = parseInt(data.toString("latin1", at, space), 10);
    if (!(length > 0)) break;
    const [key, ...value] = data.toString("utf8", space + 1, at + length - 1).split("=");
    found[key] = value.join("=");
    at += length;
  }
  return found;
}

function* entries(data) {
  let pax = {}, long = "";
  for (let at = 0; at + 512 <= data.length; ) {
    const head = data.subarray(at, at + 512);
    if (head.every((byte) => byte === 0)) return;
    const type = String.fromCharCode(head[156] || 48);
    const size = pax.size === undefined ? number(head, 124, 12) : Number(pax.size);
    const body = data.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
    if (type === "x") pax = paxOf(body);
    else if (type === "L") long = text(body, 0, body.length);
    else if (type !== "g" && type !== "K") {
      const prefix = text(head, 345, 155);
      const name = pax.path || long || (prefix ? prefix + "/" : "") + text(head, 0, 100);
      if (type === "0" || type === "7") yield { name, body, executable: (number(head, 100, 8) & 0o111) !== 0 };
      pax = {};
      long = "";
    }
  }
}

function unpack(path, tarball) {
  const raw = fs.readFileSync(tarball);
  for (const { name, body, executable } of entries(raw[0] === 0x1f && raw[1] === 0x8b ? zlib.gunzipSync(raw) : raw)) {
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..") || name.startsWith("/")) throw new Error(`${path}: ${name} would be written outside of its folder`);
    if (name.endsWith("/") || parts.length < 2 || parts.includes("__pycache__") || /\.py[co]$/.test(name)) continue;
    const target = posix.join(root, path, ...parts.slice(1));
    fs.mkdirSync(posix.dirname(target), { recursive: true, mode: 0o755 });
    fs.writeFileSync(target, body);
    fs.chmodSync(target, executable ? 0o755 : 0o644);
  }
}

function programs(manifest) {
  let about;
  try {
    about = JSON.parse(fs.readFileSync(manifest, "utf8").replace(/^\ufeff/, ""));
  } catch {
    return [];
  }
  const named = about && typeof about.bin === "string" ? { [about.name || ""]: about.bin } : (about && about.bin) || {};
  return Object.entries(named)
    .map(([name, file]) => [name.slice(name.lastIndexOf("/") + 1), typeof file === "string" ? posix.join("/", file).slice(1) : ""])
    .filter(([name, file]) => file && !["", ".", ".."].includes(name));
}

function link(path) {
  const at = path.lastIndexOf("node_modules/") + "node_modules/".length;
  const links = posix.join(root, path.slice(0, at), ".bin");
  for (const [name, file] of programs(posix.join(root, path, "package.json"))) {
    const target = posix.join(root, path, file);
    const there = fs.lstatSync(target, { throwIfNoEntry: false });
    if (!there || !there.isFile()) continue;
    fs.chmodSync(target, 0o755);
    fs.mkdirSync(links, { recursive: true, mode: 0o755 });
    if (!fs.lstatSync(posix.join(links, name), { throwIfNoEntry: false }))
      fs.symlinkSync(`../${path.slice(at)}/${file}`, posix.join(links, name));
  }
}

const paths = JSON.parse(fs.readFileSync(list, "utf8"));
for (const path of Object.keys(paths)) unpack(path, posix.join(tarballs, paths[path]));
for (const path of Object.keys(paths)) link(path);
