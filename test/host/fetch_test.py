#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/fetch takes the upstream archive of a source package only with the locked
checksum, only once, and only into its own folder: the real program, with an apt-get that this
test makes and that writes down how it was called."""
import hashlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

FETCH = pathlib.Path("tools/fetch").resolve()
APT = """#!/bin/sh
echo "$@" >> "$APT_LOG"
case "$*" in *" source "*) cp "$APT_ARCHIVE" ./tree_1.orig.tar.xz ;; esac
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
    for part in (fetching, mirrors):
        part(lambda name, passed: results.append((name, passed)))
    print(f"1..{len(results)}")
    for number, (name, passed) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
    return any(not passed for _, passed in results)


if __name__ == "__main__":
    sys.exit(main())
