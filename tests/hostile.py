"""Programs that try to get out of the sandbox, to stop it, or to leave something behind for the next one.

In a program, CANARY is the path of a file with a secret in it, MARK a path where nothing is, HERE their folder, PORT a
port of this machine that counts who calls, and PID the process to hit: they are filled in as Python literals.
"""

from __future__ import annotations

from dataclasses import dataclass

ERROR = "error: .+"
STOPPED = "error: stopped after .+"
MEMORY = r"error: out of memory \(.+\)"
ABSENT = "error: (ModuleNotFoundError|ImportError): .+"
ANYTHING = "(?s).*"


@dataclass(frozen=True)
class Program:
    """One attempt.

    Attributes:
        name: What it tries.
        code: The program.
        result: What its result must match, whole.
        breach: What it does to a host that does not contain it: a word of `guarded.Host.breaches`; empty if it is not
            tried there.
    """

    name: str
    code: str
    result: str = ERROR
    breach: str = ""


FILES = (
    Program("open a file", "print(open(CANARY).read())", breach="read"),
    Program("open by another name", "import io\nprint(io.open(CANARY).read())", breach="read"),
    Program("the real open", "import _io\nprint(_io.open(CANARY).read())", breach="read"),
    Program("FileIO", "import io\nprint(io.FileIO(CANARY).readall())", breach="read"),
    Program("os.open", "import os\nprint(os.read(os.open(CANARY, os.O_RDONLY), 99))", breach="read"),
    Program("posix.open", "import posix\nprint(posix.read(posix.open(CANARY, 0), 99))", breach="read"),
    Program("pathlib", "import pathlib\nprint(pathlib.Path(CANARY).read_text())", breach="read"),
    Program("codecs", "import codecs\nprint(codecs.open(CANARY).read())", breach="read"),
    Program("linecache",
            "import linecache\nassert linecache.getlines(CANARY), 'no lines'\nprint(linecache.getlines(CANARY))",
            breach="read"),
    Program("fileinput", "import fileinput\nprint(*fileinput.input(CANARY))", ABSENT, breach="read"),
    Program("a loader that reads",
            "import importlib.machinery as m\nprint(m.FileFinder, m.SourceFileLoader('x', CANARY)"
            ".get_data(CANARY))", breach="read"),
    Program("an import from the host",
            "import sys\nsys.path.append(HERE)\nimport bait\nprint(bait.SECRET)", breach="read"),
    Program("an import, finders restored", "import sys, importlib.machinery as m\nsys.meta_path.append(m.PathFinder)\n"
            "sys.path.append(HERE)\nimport bait\nprint(bait.SECRET)", breach="read"),
    Program("mmap", "import mmap, os\nprint(mmap.mmap(os.open(CANARY, 0), 0, prot=1)[:])", breach="read"),
    Program("list a folder", "import os\nprint(os.listdir(HERE))", breach="listed"),
    Program("scan a folder", "import os\nprint([e.name for e in os.scandir(HERE)])", breach="listed"),
    Program("walk the root", "import os\nprint(os.listdir('/'))"),
    Program("stat a file", "import os\nprint(os.stat(CANARY))"),
    Program("write a file", "open(MARK, 'w').write('x')", breach="wrote"),
    Program("create with os.open", "import os\nos.open(MARK, os.O_CREAT | os.O_WRONLY)", breach="wrote"),
    Program("overwrite the canary",
            "import os\nos.write(os.open(CANARY, os.O_WRONLY | os.O_TRUNC), b'x')", breach="changed"),
    Program("delete the canary", "import os\nos.unlink(CANARY)", breach="changed"),
    Program("rename the canary", "import os\nos.rename(CANARY, MARK)", breach="changed"),
    Program("truncate the canary", "import os\nos.truncate(CANARY, 0)", breach="changed"),
    Program("make a folder", "import os\nos.mkdir(MARK)", breach="wrote"),
    Program("symlink", "import os\nos.symlink(CANARY, MARK)", breach="wrote"),
    Program("a temporary file", "import tempfile\nprint(tempfile.mkstemp(dir=HERE))", breach="wrote"),
    Program("a database", "import sqlite3\nsqlite3.connect(MARK).execute('create table t(x)')", breach="wrote"),
    Program("open descriptors", "import os\nfound = []\nfor fd in range(64):\n    try: found.append(os.read(fd, 9))\n"
            "    except OSError: pass\nassert found, 'none'\nprint(found)"),
    Program("change folder", "import os\nos.chdir(HERE)\nprint(os.listdir())", breach="listed"),
)  # fmt: skip

ENVIRONMENT = (
    Program("os.environ", "import os\nprint(dict(os.environ))", r"\{\}", breach="environment"),
    Program("posix.environ", "import posix\nprint(posix.environ)", r"\{\}", breach="environment"),
    Program("/proc/self/environ",
            "import _io\nprint(_io.open('/proc/self/environ', 'rb').read())", breach="environment"),
    Program("/proc/self/maps", "import _io\nprint(_io.open('/proc/self/maps').read())"),
    Program("/proc/self/mem", "import _io\n_io.open('/proc/self/mem', 'r+b').write(b'0')"),
    Program("sys.argv and executable", "import sys\nprint(repr(sys.executable), sys.argv)", "'' .*"),
    Program("the host's name", "import os\nprint(os.uname())", ANYTHING),
    Program("the user", "import os\nprint(os.getlogin(), os.getuid())"),
)  # fmt: skip

NETWORK = (
    Program("socket", "import socket\nsocket.create_connection(('127.0.0.1', PORT), 3)", ABSENT, breach="called"),
    Program("_socket", "import _socket\ns = _socket.socket()\ns.connect(('127.0.0.1', PORT))", breach="called"),
    Program("urllib",
            "import urllib.request\nurllib.request.urlopen(f'http://127.0.0.1:{PORT}', timeout=3)", breach="called"),
    Program("http.client", "import http.client\nhttp.client.HTTPConnection('127.0.0.1', PORT, timeout=3).connect()",
            breach="called"),
    Program("asyncio", "import asyncio\nasyncio.run(asyncio.open_connection('127.0.0.1', PORT))", breach="called"),
    Program("look up a name", "import socket\nprint(socket.getaddrinfo('localhost', 80))", ABSENT),
)  # fmt: skip

PROCESSES = (
    Program("os.system", "import os\nos.system('touch ' + MARK)", breach="wrote"),
    Program("os.popen", "import os\nos.popen('touch ' + MARK).read()", breach="wrote"),
    Program("subprocess", "import subprocess\nsubprocess.run(['touch', MARK])", breach="wrote"),
    Program("posix_spawn", "import os\nos.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', 'touch ' + MARK], {}), 0)",
            breach="wrote"),
    Program("exec", "import os\nos.execv('/bin/sh', ['sh', '-c', 'touch ' + MARK])", breach="wrote"),
    Program("fork", "import os\nif os.fork() == 0:\n    open(MARK, 'w')\n    os._exit(0)\nos.wait()", breach="wrote"),
    Program("fork bomb", "import os\nwhile True: os.fork()"),
    Program("fork_exec", "import _posixsubprocess"),
    Program("multiprocessing", "import multiprocessing\nmultiprocessing.Process(target=print).start()", ABSENT),
    Program("pty", "import pty\npty.spawn(['touch', MARK])", ABSENT, breach="wrote"),
    Program("thread", "import threading\nthreading.Thread(target=print).start()"),
    Program("thread bomb", "import _thread\nwhile True: _thread.start_new_thread(print, ())"),
    Program("a thread that lives on",
            "import _thread\ndef f():\n    while True: pass\n_thread.start_new_thread(f, ())"),
)  # fmt: skip

SIGNALS = (
    Program("kill the host", "import os, signal\nos.kill(PID, signal.SIGUSR1)", breach="signalled"),
    Program("kill by number", "import os\nos.kill(PID, 10)", breach="signalled"),
    Program("kill the parent", "import os\nos.kill(os.getppid(), 10)", breach="signalled"),
    Program("kill the group", "import os\nos.killpg(0, 10)"),
    Program("raise a signal", "import _signal\n_signal.raise_signal(11)", ANYTHING),
    Program("alarm", "import signal\nsignal.alarm(1)"),
    Program("interrupt the main thread",
            "import _thread\n_thread.interrupt_main()\nfor i in range(10**5): pass", ANYTHING),
    Program("segmentation fault", "import faulthandler\nfaulthandler._sigsegv()"),
)  # fmt: skip

MEMORY_OF_THE_HOST = (
    Program("ctypes", "import ctypes\nctypes.CDLL(None).system(b'touch ' + MARK.encode())", ABSENT, breach="wrote"),
    Program("_ctypes", "import _ctypes\nprint(_ctypes.dlopen(None, 0))", ABSENT),
    Program("read address 0", "import ctypes\nprint(ctypes.string_at(0))", ABSENT),
    Program("broken bytecode", "f = lambda: 0\nf.__code__ = f.__code__.replace(co_code=bytes([100, 255] * 50))\nf()"),
    Program("wild bytecode",
            "f = lambda: 0\nf.__code__ = f.__code__.replace(co_code=bytes(range(256)), co_stacksize=1)\nf()",
            ANYTHING),
    Program("a constant out of reach", "f = lambda: 0\nc = bytearray(f.__code__.co_code)\n"
            "f.__code__ = f.__code__.replace(co_code=bytes([82, 255, 35, 0] * 9), co_consts=())\nprint(f())", ANYTHING),
    Program("marshalled rubbish",
            "import marshal\nfor i in range(256):\n    try: exec(marshal.loads(bytes([i]) * 40))\n"
            "    except Exception: pass\nraise ValueError", ANYTHING),
    Program("unpickled call",
            "import pickle\npickle.loads(b\"cposix\\nsystem\\n(S'touch \" + MARK.encode() + b\"'\\ntR.\")",
            breach="wrote"),
)  # fmt: skip

INTROSPECTION = (
    Program("subclasses", "import os\nfor c in object.__subclasses__():\n    if c.__name__ == '_wrap_close':\n"
            "        c.__init__.__globals__['system']('touch ' + MARK)\nraise ValueError", breach="wrote"),
    Program("globals of a function", "import os\nprint(os.walk.__globals__['__builtins__']['open'](CANARY).read())",
            breach="read"),
    Program("frames", "import sys\nf = sys._getframe()\nwhile f.f_back: f = f.f_back\n"
            "print(f.f_builtins['open'](CANARY).read())", breach="read"),
    Program("a traceback's frames", "try: 1/0\nexcept Exception as e:\n    f = e.__traceback__.tb_frame\n"
            "    print(f.f_builtins['open'](CANARY).read())", breach="read"),
    Program("a generator's frame",
            "g = (x for x in ())\nprint(g.gi_frame.f_builtins['open'](CANARY).read())", breach="read"),
    Program("garbage collector",
            "import gc, os\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'system' in o:\n"
            "        o['system']('touch ' + MARK)\nraise ValueError", breach="wrote"),
    Program("every open there is", "import gc, types, io\ntried = 0\nfor o in gc.get_objects():\n"
            "    if isinstance(o, dict) and callable(o.get('open')):\n        try: print(o['open'](CANARY).read())\n"
            "        except Exception: tried += 1\nraise ValueError(tried)", breach="read"),
    Program("reload the modules",
            "import importlib, io, builtins\nimportlib.reload(builtins)\nprint(io.open_code(CANARY).read())",
            breach="read"),
    Program("audit hook", "import sys\nsys.addaudithook(lambda *a: print(a))\nopen(CANARY)", ANYTHING),
    Program("trace hook",
            "import sys\ndef t(frame, *a):\n    frame.f_globals['open'](CANARY)\n    return t\nsys.settrace(t)\n"
            "(lambda: 0)()", ANYTHING),
    Program("patch what runs it",
            "import sys\nsys.modules['guest']._say = lambda *a: 'x' * 10**7\n1/0", "(?s).{2000,2200}"),
    Program("a result of 100 MB", "import sys\ng = sys.modules['guest']\ng._run = None\nf = sys._getframe()\n"
            "while f.f_code.co_name != '_run': f = f.f_back\nf.f_locals['longest'] = 10**9\nprint('y' * 10**8)",
            ANYTHING),
    Program("letters that are long",
            "import sys\nsys.modules['guest'].WitWorld.letter = lambda *a: 'z' * 10**6\nprint(1)"),
    Program("letters that never come", "import sys\ndef f(*a):\n    while True: pass\n"
            "sys.modules['guest'].WitWorld.letter = f\nprint(1)", STOPPED),
    Program("a length that is a lie",
            "import sys\ng = sys.modules['guest']\nclass T(str):\n    __len__ = lambda s: 2**32 - 1\n"
            "g._run.__globals__['len'] = lambda x: 2**32 - 1\nprint(1)"),
    Program("a negative length", "import sys\nsys.modules['guest'].len = lambda x: -1\nprint(1)", ANYTHING),
)  # fmt: skip

LIMITS = (
    Program("endless loop", "while True: pass", STOPPED),
    Program("endless loop that catches all",
            "while True:\n    try:\n        while True: 1/0\n    except BaseException: pass",
            STOPPED),
    Program("endless generator", "import itertools\nsum(itertools.repeat(0))", STOPPED),
    Program("one long operation", "10**10**8", STOPPED),
    Program("a long regular expression", "import re\nre.match('(a+)+b', 'a' * 50)", STOPPED),
    Program("a long membership test", "10**18 + 1 in (x for x in iter(int, 1))", STOPPED),
    Program("sleep", "import time\ntime.sleep(100)"),
    Program("a value that never shows", "class A:\n    def __repr__(self):\n        while True: pass\nA()", STOPPED),
    Program("an exception that never shows",
            "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
            STOPPED),
    Program("an exception that raises", "class E(Exception):\n    def __str__(self): raise self\nraise E"),
    Program("an exception without a name", "class M(type):\n    __name__ = property(lambda s: 1/0)\n"
            "class E(Exception, metaclass=M): pass\nraise E"),
    Program("a great block", "x = bytearray(10**9)", MEMORY),
    Program("a great list", "x = [0] * 10**9", MEMORY),
    Program("a great range", "x = list(range(10**9))", MEMORY),
    Program("memory bit by bit", "x = []\nwhile True: x.append('a' * 10**6 + str(len(x)))", MEMORY),
    Program("memory again and again",
            "while True:\n    try:\n        x = []\n        while True: x.append(bytearray(10**6))\n"
            "    except MemoryError: pass", STOPPED),
    Program("small things without end", "x = []\nwhile True: x = [x, x.copy()]", ANYTHING),
    Program("a wide format", "'%0999999999d' % 1", MEMORY),
    Program("a great number from text", "int('9' * 10**7)"),
    Program("recursion", "def f(): f()\nf()"),
    Program("recursion without limit", "import sys\nsys.setrecursionlimit(2**31 - 1)\ndef f(): f()\nf()"),
    Program("recursion in C", "x = []\nfor i in range(10**5): x = [x]\nprint(x)"),
    Program("recursion in a key", "class K:\n    def __hash__(self): return hash(K())\n{K(): 1}"),
    Program("nested brackets", "eval('(' * 10**4 + ')' * 10**4)"),
    Program("nested signs", "eval('-' * 10**6 + '1')"),
    Program("a deep free", "x = None\nfor i in range(10**6): x = (x,)\ndel x\n1/0"),
    Program("output without end", "while True: print('x' * 10**4)", STOPPED),
    Program("one great output", "print('x' * 10**7)", "(?s)x{2000}.{1,200}"),
    Program("many small outputs", "for i in range(10**5): print(i)", "(?s).{2000,2200}"),
    Program("a great value", "'v' * 10**7", "(?s).{2000,2200}"),
    Program("a great message", "raise ValueError('m' * 10**7)", "(?s)error: .{1990,2200}"),
)  # fmt: skip

ENDINGS = (
    Program("sys.exit", "import sys\nsys.exit(3)"),
    Program("os._exit", "import os\nos._exit(3)"),
    Program("os.abort", "import os\nos.abort()"),
    Program("KeyboardInterrupt", "raise KeyboardInterrupt"),
    Program("GeneratorExit", "raise GeneratorExit"),
    Program("atexit", "import atexit\natexit.register(lambda: open(MARK, 'w'))", ANYTHING, breach="wrote"),
    Program("a finaliser", "class A:\n    def __del__(self): open(MARK, 'w')\na = A()\na.me = a", ANYTHING),
    Program("close the output", "import sys\nsys.stdout.close()\nprint(1)", ANYTHING),
    Program("lose the output", "import sys\nsys.stdout = None\nprint(1)", ANYTHING),
    Program("delete the output", "import sys\ndel sys.stdout\nprint(1)"),
    Program("the host's output", "import sys\nsys.__stdout__.write('x')\nsys.__stdout__.flush()"),
    Program("write to descriptors", "import os\nfor fd in (1, 2): os.write(fd, b'x')"),
    Program("close descriptors", "import os\nos.closerange(0, 64)"),
    Program("zero bytes", "print(1)\0"),
    Program("half of a pair", "print('\\ud800')", r"\?"),
    Program("no program", "", r"\(nothing printed\)"),
)  # fmt: skip

LEFT_BEHIND = (
    Program("patch print", "import builtins\nbuiltins.print = lambda *a: None", ANYTHING),
    Program("patch int", "import builtins\nbuiltins.int = builtins.len = builtins.str = None", ANYTHING),
    Program("patch eval and compile",
            "import builtins\nbuiltins.eval = builtins.exec = builtins.compile = None", ANYTHING),
    Program("patch math", "import math\nmath.pi = 3\nmath.sqrt = lambda x: 0", ANYTHING),
    Program("patch ast", "import ast\nast.parse = lambda *a: None", ANYTHING),
    Program("empty sys.modules", "import sys\nsys.modules.clear()", ANYTHING),
    Program("a variable", "secret = 1\nimport builtins\nbuiltins.secret = 1", ANYTHING),
    Program("raise the limits", "import sys\nsys.set_int_max_str_digits(0)\nsys.setrecursionlimit(10**6)", ANYTHING),
    Program("patch what runs it for good", "import sys\nsys.modules['guest'].WitWorld.run = None", ANYTHING),
)  # fmt: skip

PROGRAMS: tuple[Program, ...] = (
    *FILES, *ENVIRONMENT, *NETWORK, *PROCESSES, *SIGNALS, *MEMORY_OF_THE_HOST, *INTROSPECTION, *LIMITS, *ENDINGS,
    *LEFT_BEHIND,
)  # fmt: skip
