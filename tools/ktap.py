# SPDX-License-Identifier: MIT
"""Reads test results in KTAP or TAP (Linux Documentation/dev-tools/ktap.rst) from text
in which other lines may stand between.

A document is one or more plans ("1..N") with their result lines. Subtests are indented
and come before the result line of their parent; only leaves are counted. A failure
before the first plan counts as well.
"""
import re
from dataclasses import dataclass, field

VERSION = re.compile(r"^(\s*)K?TAP version 1[345]?\s*$")
PLAN = re.compile(r"^(\s*)1\.\.(\d+)(?:\s*#\s*(.*))?\s*$")
RESULT = re.compile(r"^(\s*)(not )?ok(?:\s+(\d+))?\b(?:\s*-\s*|\s+|$)(.*)$")
DIRECTIVE = re.compile(r"^(.*?)\s*#\s*(SKIP|TODO|XFAIL)\b\s*:?\s*(.*)$", re.IGNORECASE)


@dataclass
class Result:
    name: str
    passed: bool
    skip: str = None          # reason, when the test was skipped
    notes: list = field(default_factory=list)


@dataclass
class Level:
    """One plan that is being read."""
    indent: int
    planned: int
    results: list = field(default_factory=list)
    seen: int = 0


class Parser:
    """Feed lines; `results` holds the leaves, `errors` what is wrong with the document."""

    def __init__(self):
        self.results, self.errors, self.plans = [], [], 0
        self.levels, self.notes = [], []
        self.children = []    # leaves of the plan that ended last, below the current level

    def feed(self, line):
        line = line.rstrip("\r\n").expandtabs(8)
        if VERSION.match(line):
            self.close_to(len(VERSION.match(line).group(1)))
            self.notes = []
        elif PLAN.match(line):
            indent, count, _ = PLAN.match(line).groups()
            self.close_to(len(indent))
            self.levels.append(Level(len(indent), int(count)))
            self.plans += 1
            self.notes = []
        elif RESULT.match(line) and self.levels:
            self.result(*RESULT.match(line).groups())
        elif RESULT.match(line) and RESULT.match(line).group(2):
            # No plan is there to miss it.
            self.results.append(Result(RESULT.match(line).group(4), False, None, self.notes))
            self.notes = []
        elif line.lstrip().startswith("Bail out!"):
            self.errors.append(line.strip())
        elif line.lstrip().startswith("# "):
            self.notes.append(line.strip())

    def result(self, indent, bad, number, name):
        while len(self.levels) > 1 and self.levels[-1].indent > len(indent):
            self.close()
        level = self.levels[-1]
        level.seen += 1
        if number and int(number) != level.seen:
            self.errors.append(f"result {number} ({name}) where {level.seen} was due")
            level.seen = int(number)
        directive = DIRECTIVE.match(name)
        skip = None
        if directive and directive.group(2).upper() == "SKIP":
            skip = directive.group(3) or "no reason given"
        name = directive.group(1) if directive else name
        children, self.children = self.children, []
        for child in children:
            child.name = f"{name}: {child.name}"
        if not children:
            level.results.append(Result(name, not bad, skip, self.notes))
        elif bad and all(child.passed for child in children):
            level.results += children + [Result(name, False, None, self.notes)]
        else:
            level.results += children
        self.notes = []

    def close(self):
        level = self.levels.pop()
        if level.seen < level.planned:
            self.errors.append(f"{level.planned} tests planned, {level.seen} reported")
        elif level.seen > level.planned:
            self.errors.append(f"{level.planned} tests planned, but {level.seen} reported")
        if self.levels:
            self.children += level.results
        else:
            self.results += level.results + self.children
            self.children = []

    def close_to(self, indent):
        while self.levels and self.levels[-1].indent >= indent:
            self.close()

    def finish(self):
        self.close_to(-1)
        if not self.plans:
            self.errors.append("no test plan was printed")
        return self


def parse(text):
    parser = Parser()
    for line in text.splitlines():
        parser.feed(line)
    return parser.finish()
