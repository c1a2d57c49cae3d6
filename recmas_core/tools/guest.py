"""The program inside the sandbox: runs one piece of Python and says what came of it. Never imported outside.

It is compiled to WebAssembly together with the interpreter; what stands at the top of this file happens once, when that
is made, and every call begins from there. Nothing here keeps anything in: whatever it does, a program cannot reach
further than this interpreter's own memory. This file only makes results readable.
"""

from __future__ import annotations

# All that a program can import: once the component is made there is no disk to import anything else from.
# ruff: noqa: F401
import _strptime
import abc
import array
import ast
import base64
import binascii
import bisect
import builtins
import calendar
import cmath
import collections.abc
import colorsys
import contextlib
import copy
import csv
import dataclasses
import datetime
import decimal
import difflib
import encodings.ascii
import encodings.cp437
import encodings.idna
import encodings.latin_1
import encodings.utf_8_sig
import encodings.utf_16
import encodings.utf_32
import enum
import fractions
import functools
import gc
import graphlib
import hashlib
import heapq
import html
import inspect
import io
import itertools
import json
import keyword
import locale
import math
import numbers
import operator
import os
import pickle
import pprint
import queue
import random
import re
import statistics
import string
import struct
import sys
import textwrap
import threading
import time
import traceback
import types
import typing
import unicodedata
import urllib.parse
import uuid
import warnings
import weakref
from importlib.machinery import BuiltinImporter, FrozenImporter

import wit_world

NOTHING = "(nothing printed)"
_FILE = "\ud800"  # no name a file can have: for a syntax error CPython opens the file it is in, if it can be named

sys.path.clear()
sys.meta_path[:] = [BuiltinImporter, FrozenImporter]  # a missing module is an ImportError, not a look at the disk
warnings.simplefilter("ignore")  # a warning would look for its source line on the disk
random.seed(0)  # the same program gives the same result on every machine


class _Start(io.TextIOBase):
    """An output that keeps its beginning and counts the rest."""

    def __init__(self, longest: int) -> None:
        self.longest, self.kept, self.length = longest, "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if len(self.kept) < self.longest:
            self.kept += text[: self.longest - len(self.kept)]
        self.length += len(text)
        return len(text)


def _no_files(*_: object, **__: object) -> None:
    raise OSError("no files in the sandbox")


# Only for a readable message: a program that finds the real one asks the host for what is not there and is stopped.
builtins.open = io.open = _no_files  # type: ignore[assignment]


def _say(error: BaseException, megabytes: int) -> str:
    """An exception in a few words: its last line of a traceback."""
    if isinstance(error, MemoryError):
        return f"error: out of memory ({megabytes} MB)"
    if isinstance(error, SyntaxError):
        return f"error: {type(error).__name__}: {error.msg} (line {error.lineno})"
    try:
        name, words = str(type(error).__name__), str(error)
    except BaseException:  # whatever the program's own exception does when it is asked
        return "error: an exception that cannot be shown"
    return f"error: {name}: {words}" if words else f"error: {name}"


def _execute(program: str, out: _Start) -> None:
    """Run a program; show the value of a last bare expression if nothing was printed, as a console does."""
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), out, _Start(0)
    tree = ast.parse(program, _FILE)
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(tree, _FILE, "exec"), names)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), _FILE, "eval"), names)
        if value is not None and not out.length:
            out.write(repr(value))


def _run(program: str, longest: int, megabytes: int) -> str:
    """The result of a program: what it printed, a value, or an error, `longest` characters and a note at most."""
    out, error = _Start(longest), ""
    try:
        _execute(program, out)
    except SystemExit as leaving:
        error = _say(leaving, megabytes) if leaving.code else ""
    except BaseException as failure:
        error = _say(failure, megabytes)
    text, length = (error, len(error)) if error else (out.kept, out.length)
    cut = f" … (cut: {length} characters in all)" if length > longest else ""
    return (text[:longest] + cut).strip() or NOTHING


class WitWorld(wit_world.WitWorld):
    """What the host can call: run a program, then fetch its result letter by letter.

    A string handed over whole could be as large as the sandbox's memory, and the host would have to copy it. A letter
    is a letter, whatever the program did to this interpreter. Each of the two calls comes to an object of its own;
    what the first leaves for the second stands on the class, and ends with the sandbox.
    """

    result = ""

    def run(self, program: str, longest: int, megabytes: int) -> int:
        """The length of the result."""
        WitWorld.result = _run(program, longest, megabytes)
        return len(WitWorld.result)

    def letter(self, index: int) -> str:
        """One character of the result. What cannot be sent, half of a surrogate pair, becomes a question mark."""
        found = WitWorld.result[index]
        return "?" if "\ud800" <= found <= "\udfff" else found
