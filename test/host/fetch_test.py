#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/fetch takes the upstream archive of a source package only with the locked
checksum, only once, and only into its own folder: the real program, with an apt-get that this
test makes and that writes down how it was called. The same of a file that no distribution
carries, from a server on this machine; and what is taken where the archive has the locked version no more."""
import functools
import hashlib
import http.server
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading

FETCH = pathlib.Path("tools/fetch").resolve()
APT = """#!/bin/sh
echo "$@" >> "$APT_LOG"
case "$*" in *" source "*) cp "$APT_ARCHIVE" ./tree_1.orig.tar.xz ;; esac
"""


# An archive with one package, which it gives to who names no version, or that one.
APT_ONE = """#!/bin/sh
echo "$@" >> "$APT_LOG"
case "$*" in *" download tool:amd64"|*" download tool:amd64=$APT_VERSION") cp "$APT_ARCHIVE" ./tool.deb ;; esac
"""
APT_CACHE = """#!/bin/sh
case "$*" in *" show tool:amd64=$APT_VERSION") echo "Package: tool"; echo "SHA256: $APT_SUM" ;; esac
"""


def load():
    loader = importlib.machinery.SourceFileLoader("fetch", str(FETCH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch", loader))
    loader.exec_module(module)
    return module


def archive(path):
    with tarfile.open(path, "w:xz") as out:
        for name, text in (("tree-1/a.c", b"int a;\n"), ("tree-1/sub/b.h", b"int b;\n"), ("tree-1/../../escaped", b"x")):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            out.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo("tree-1/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        out.addfile(link)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(root, *, checksum):
    (root / "third_party.lock").write_text(f"tree source trixie 1-1 {checksum} tree https://example.org/tree-1.tar.xz\n")
    environment = {**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}", "APT_LOG": f"{root}/log",
                   "APT_ARCHIVE": f"{root}/tree.tar.xz"}
    return subprocess.run([sys.executable, FETCH, "tree", "source", "out"], cwd=root, env=environment,
                          capture_output=True, text=True)


def fetching(check):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "bin").mkdir()
        (root / "bin/apt-get").write_text(APT)
        (root / "bin/apt-get").chmod(0o755)
        right, wrong = archive(root / "tree.tar.xz"), "0" * 64
        done = run(root, checksum=wrong)
        check("a wrong checksum stops and names both", done.returncode != 0 and right in done.stderr and wrong in done.stderr)
        check("and unpacks nothing", not (root / "out").exists())
        done = run(root, checksum=right)
        check("the right one unpacks without the top folder",
              done.returncode == 0 and (root / "out/a.c").read_text() == "int a;\n" and (root / "out/sub/b.h").exists())
        check("the version is noted", (root / "out/.version").exists() and right in (root / "out/.version").read_text())
        found = sorted(str(p.relative_to(root / "out")) for p in (root / "out").rglob("*") if p.name != ".version")
        check("links and ways out of the folder are left", found == ["a.c", "sub", "sub/b.h"] and not (root / "escaped").exists())
        calls = (root / "log").read_text()
        check("apt-get is asked for the locked version", "source --download-only --tar-only tree=1-1" in calls)
        before = (root / "out/a.c").stat().st_ino
        done = run(root, checksum=right)
        check("the second time asks nobody", done.returncode == 0 and (root / "log").read_text() == calls)
        check("and leaves what another build may be reading", (root / "out/a.c").stat().st_ino == before)
        (root / "out/.version").write_text("0-1 something\n")
        done = run(root, checksum=right)
        check("another version there is replaced", done.returncode == 0 and right in (root / "out/.version").read_text())


class Server(http.server.SimpleHTTPRequestHandler):
    def log_message(self, text, *args):
        pass


def run_address(root, port, arch, checksum, name):
    (root / "third_party.lock").write_text(
        "".join(f"loader {a} - 8.2.0 {checksum if a == arch else '0' * 64} - http://127.0.0.1:{port}/{n}\n"
                for a, n in (("amd64", name), ("arm64", "BOOTAA64.EFI"))))
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return subprocess.run([sys.executable, FETCH, "--cache", "cache", "loader", arch, f"out-{arch}"], cwd=root, env=environment,
                          capture_output=True, text=True)


def addresses(check):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "served").mkdir()
        (root / "served/BOOTX64.EFI").write_bytes(b"MZ one")
        (root / "served/BOOTAA64.EFI").write_bytes(b"MZ two")
        one, two = (hashlib.sha256(data).hexdigest() for data in (b"MZ one", b"MZ two"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=root / "served"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        done = run_address(root, port, "amd64", two, "BOOTX64.EFI")
        check("an address: a wrong checksum stops and names both", done.returncode != 0 and one in done.stderr and two in done.stderr)
        check("an address: and nothing stays", not (root / "out-amd64").exists() and not list((root / "cache").glob("loader*")))
        done = run_address(root, port, "amd64", one, "LOST.EFI")
        check("an address: a file that is not there is said with its address, its place and its checksum",
              done.returncode != 0 and all(part in done.stderr for part in (f":{port}/LOST.EFI", "404", "cache/loader_8.2.0_amd64_LOST.EFI", one)))
        done = run_address(root, port, "amd64", one, "BOOTX64.EFI")
        check("an address: the right file is put there", done.returncode == 0 and (root / "out-amd64/BOOTX64.EFI").read_bytes() == b"MZ one")
        check("an address: each architecture by itself", not (root / "out-arm64").exists())
        done = run_address(root, port, "arm64", two, "BOOTX64.EFI")
        check("an address: the other one too", done.returncode == 0 and (root / "out-arm64/BOOTAA64.EFI").read_bytes() == b"MZ two")
        server.shutdown()
        server.server_close()
        for arch, checksum in (("amd64", one), ("arm64", two)):
            done = run_address(root, port, arch, checksum, "BOOTX64.EFI")
            check(f"an address: the second time needs no network ({arch})", done.returncode == 0)
        (root / "cache/loader_8.2.0_amd64_BOOTX64.EFI").write_bytes(b"damaged")
        done = run_address(root, port, "amd64", one, "BOOTX64.EFI")
        check("an address: a damaged file in the cache is named", done.returncode != 0 and "loader_8.2.0_amd64_BOOTX64.EFI" in done.stderr)
        (root / "cache/loader_8.2.0_amd64_BOOTX64.EFI").unlink()
        done = run_address(root, port, "amd64", one, "BOOTX64.EFI")
        check("an address: without a network the way out is said", done.returncode != 0 and "put the file at" in done.stderr)


def package(path, version):
    """A package of one file; its checksum."""
    folder = path.with_suffix(".tree")
    (folder / "DEBIAN").mkdir(parents=True)
    (folder / "DEBIAN/control").write_text(f"Package: tool\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody\nDescription: a tool\n")
    (folder / "tool").write_text(version)
    subprocess.run(["dpkg-deb", "-b", folder, path], check=True, capture_output=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_package(root, locked, checksum, has, listed, suite):
    (root / "third_party.lock").write_text(f"tool amd64 {suite} {locked} {checksum} tool https://example.org/\n")
    environment = {**os.environ, "PATH": f"{root}/bin:{os.environ['PATH']}", "APT_LOG": f"{root}/log", "APT_VERSION": has,
                   "APT_ARCHIVE": f"{root}/{has}.deb", "APT_SUM": listed}
    return subprocess.run([sys.executable, FETCH, "--cache", "cache", "tool", "amd64", "out"], cwd=root, env=environment,
                          capture_output=True, text=True)


def later(check):
    with tempfile.TemporaryDirectory() as folder:
        root, suite, wrong = pathlib.Path(folder), load().host_suite(), "0" * 64
        (root / "bin").mkdir()
        for name, text in (("apt-get", APT_ONE), ("apt-cache", APT_CACHE)):
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        sums = {version: package(root / f"{version}.deb", version) for version in ("1-1", "1-2", "1-3")}
        tool, cache = root / "out/tool", root / "cache"

        done = run_package(root, "1-1", sums["1-1"], "1-2", sums["1-2"], suite)
        check("gone: one that is locked stays it, and the way out is said", done.returncode != 0 and "put the file at" in done.stderr and not tool.exists())
        done = run_package(root, ">=1-1", sums["1-1"], "1-2", sums["1-2"], "sid-not")
        check("gone: another suite's newer one is not taken", done.returncode != 0 and not tool.exists())
        done = run_package(root, ">=1-3", sums["1-3"], "1-2", sums["1-2"], suite)
        check("gone: nor is an older one", done.returncode != 0 and not tool.exists())
        done = run_package(root, ">=1-1", sums["1-1"], "1-2", wrong, suite)
        check("gone: nor one that is not what the list says", done.returncode != 0 and wrong in done.stderr and not tool.exists() and not list(cache.glob("tool*")))
        done = run_package(root, ">=1-1", wrong, "1-1", sums["1-1"], suite)
        check("there, with another checksum: it stops", done.returncode != 0 and wrong in done.stderr and not tool.exists())
        done = run_package(root, ">=1-1", sums["1-1"], "1-2", sums["1-2"], suite)
        check("gone: what the suite has instead is taken, and said",
              done.returncode == 0 and tool.read_text() == "1-2" and "1-2" in done.stderr and sums["1-2"] in done.stderr)
        check("gone: and noted", (root / "out/.version").read_text() == f"1-2 {sums['1-2']}\n" == (cache / f"tool_amd64_{suite}.later").read_text())
        calls = (root / "log").read_text()
        done = run_package(root, ">=1-1", sums["1-1"], "1-3", sums["1-3"], suite)
        check("gone: the second time asks nobody", done.returncode == 0 and tool.read_text() == "1-2" and (root / "log").read_text() == calls)
        taken = (cache / "tool_1-2_amd64.deb").read_bytes()
        (cache / "tool_1-2_amd64.deb").write_bytes(b"damaged")
        done = run_package(root, ">=1-1", sums["1-1"], "1-3", sums["1-3"], suite)
        check("gone: what was noted holds", done.returncode != 0 and f"tool_amd64_{suite}.later" in done.stderr)
        (cache / "tool_1-2_amd64.deb").write_bytes(taken)
        done = run_package(root, ">=1-3", sums["1-3"], "1-3", sums["1-3"], suite)
        check("a lock that has gone on is followed", done.returncode == 0 and tool.read_text() == "1-3")


def mirrors(check):
    module = load()
    module.host_suite = lambda: "bookworm"
    with tempfile.TemporaryDirectory() as folder:
        etc = pathlib.Path(folder)
        (etc / "sources.list.d").mkdir()
        (etc / "sources.list").write_text("# deb http://commented/debian bookworm main\n"
                                          "deb [arch=amd64 signed-by=/keys/a.gpg] http://one/debian bookworm main contrib\n"
                                          "deb http://tools/apt stable main\n")
        (etc / "sources.list.d/two.sources").write_text(
            "Types: deb\n# a word\nURIs: http://two/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
            "Signed-By: /keys/b.gpg\n\nTypes: deb\nURIs: http://two/security\nSuites: bookworm-security\nComponents: main\n")
        check("the machine's mirrors serve the row's suite", module.source_list("trixie", etc) ==
              "Types: deb-src\nURIs: http://one/debian\nSuites: trixie\nComponents: main\nSigned-By: /keys/a.gpg\n\n"
              "Types: deb-src\nURIs: http://two/debian\nSuites: trixie\nComponents: main\nSigned-By: /keys/b.gpg\n")
        (etc / "sources.list").write_text("")
        (etc / "sources.list.d/two.sources").write_text("")
        check("no mirror, no list", module.source_list("trixie", etc) == "")


def main():
    results = []
    for part in (fetching, addresses, later, mirrors):
        part(lambda name, passed: results.append((name, passed)))
    print(f"1..{len(results)}")
    for number, (name, passed) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
    return any(not passed for _, passed in results)


if __name__ == "__main__":
    sys.exit(main())
