#!/usr/bin/env python3
"""Writes the public names of Python's concurrency modules, one a line, to standard output.

    python3 -m venv venv && venv/bin/pip install mypy gevent
    venv/bin/python tests/guides/python_names.py > tests/guides/python_names.txt

The standard library's names come from the type stubs that mypy brings, evaluated for the version of Python
below on Linux, so that the list does not depend on the Python that runs this; gevent's come from
gevent itself. A class is followed by the public members that it defines. What begins with an underscore is
not public; what one class has in common with another, or a module of gevent with the one of the standard library that
it stands in for, is listed once.
"""

import ast
import importlib
import inspect
import pathlib

VERSION = (3, 14)
STDLIB = [
    "asyncio", "asyncio.subprocess", "threading", "queue", "concurrent.futures", "multiprocessing",
    "multiprocessing.pool", "multiprocessing.connection", "multiprocessing.managers",
    "multiprocessing.shared_memory", "multiprocessing.sharedctypes", "subprocess", "signal",
    "contextvars", "selectors", "sched",
]
# `asyncio.subprocess` has no list of what it exports.
ASYNCIO_SUBPROCESS = ["create_subprocess_exec", "create_subprocess_shell", "Process", "PIPE", "STDOUT", "DEVNULL"]
GEVENT = [
    "gevent", "gevent.event", "gevent.lock", "gevent.queue", "gevent.pool", "gevent.threadpool",
    "gevent.local", "gevent.hub", "gevent.server", "gevent.baseserver", "gevent.socket", "gevent.select",
    "gevent.selectors", "gevent.subprocess", "gevent.os", "gevent.signal", "gevent.fileobject",
    "gevent.backdoor", "gevent.pywsgi", "gevent.monkey", "gevent.util", "gevent.exceptions",
    "gevent.events", "gevent.contextvars", "gevent.thread",
]
# What these define, the class or module beside them has under the same name, and it is listed there.
TWINS = {
    "asyncio.BaseEventLoop": "asyncio.AbstractEventLoop",
    "asyncio.AbstractServer": "asyncio.Server",
    "concurrent.futures.ProcessPoolExecutor": "concurrent.futures.Executor",
    "asyncio.subprocess": "asyncio",
    "multiprocessing.pool.Pool": "multiprocessing.Pool",
    "multiprocessing.sharedctypes": "multiprocessing",
    "multiprocessing.managers.SyncManager": "multiprocessing",
    "gevent.hub": "gevent",
    "gevent.hub.signal": "gevent.signal_handler",
    "gevent.lock.BoundedSemaphore": "gevent.lock.Semaphore",
    "gevent.lock.DummySemaphore": "gevent.lock.Semaphore",
    "gevent.thread.LockType": "gevent.lock.Semaphore",
    "gevent.thread.allocate_lock": "gevent.lock.Semaphore",
    "gevent.fileobject.FileObjectBlock": "gevent.fileobject.FileObject",
    "gevent.fileobject.FileObjectPosix": "gevent.fileobject.FileObject",
    "gevent.fileobject.FileObjectThread": "gevent.fileobject.FileObject",
    "gevent.socket.SocketType": "gevent.socket.socket",
    "gevent.threadpool.ThreadPoolExecutor": "concurrent.futures.Executor",
    "gevent.queue": "queue",
    "gevent.server.StreamServer": "gevent.baseserver.BaseServer",
    "gevent.server.DatagramServer": "gevent.baseserver.BaseServer",
    "gevent.selectors": "selectors",
    "gevent.subprocess": "subprocess",
    "gevent.signal": "signal",
    "gevent.contextvars": "contextvars",
}
# Of these the classes are listed without their members: nothing here is like them.
WITHOUT_MEMBERS = [
    "gevent.config", "gevent.pywsgi", "gevent.events", "gevent.monkey", "gevent.backdoor", "gevent.local",
    "gevent.selectors", "gevent.util", "gevent.exceptions",
]
# Defined elsewhere than where one looks for them.
MULTIPROCESSING_PARTS = ["context", "process", "queues", "synchronize", "pool", "connection", "managers"]


def main():
    import mypy

    stubs = pathlib.Path(mypy.__file__).parent / "typeshed" / "stdlib"
    lists = {name: [f"{name}.{n}" for n in stdlib_names(stubs, name)] for name in STDLIB}
    lists |= {name: [f"{name}.{n}" for n in gevent_names(name)] for name in GEVENT}
    every = {name for names in lists.values() for name in names}
    print("# Made by tests/guides/python_names.py, which says how.")
    for names in lists.values():
        print()
        for name in sorted(set(names)):
            if not twin(name, every):
                print(name)


def twin(name, every):
    if any(name.startswith(f"{prefix}.") and name.count(".") > prefix.count(".") + 1 for prefix in WITHOUT_MEMBERS):
        return True
    return any(
        name.startswith(f"{prefix}.") and other + name[len(prefix):] in every for prefix, other in TWINS.items()
    )


# The standard library, from its stubs.


class Module:
    """What a stub defines: classes with their members, and `__all__`."""

    def __init__(self, stubs, name):
        self.stubs, self.name = stubs, name
        path = stubs.joinpath(*name.split("."))
        path = path / "__init__.pyi" if path.is_dir() else path.with_suffix(".pyi")
        self.classes, self.defined, self.exported, self.aliases, self.stars = {}, [], None, {}, []
        self.visit(ast.parse(path.read_text()).body)

    def visit(self, body):
        for node in flatten(body):
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            if isinstance(node, ast.ImportFrom):
                base = relative(self.name, node, self.stubs)
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append(base)
                    else:
                        self.aliases[alias.asname or alias.name] = (base, alias.name)
            targets = assigned(node)
            if "__all__" in targets and isinstance(node, (ast.Assign, ast.AugAssign)):
                new = [e.value for e in getattr(node.value, "elts", []) if isinstance(e, ast.Constant)]
                self.exported = new if isinstance(node, ast.Assign) else (self.exported or []) + new
            elif not (isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)):
                self.defined += targets

    def public(self):
        if self.exported is not None:
            return [n for n in self.exported if not n.startswith("_")]
        return [n for n in self.defined if not n.startswith("_")]

    def find_class(self, name, seen=()):
        if name in self.classes:
            return self, self.classes[name]
        if self.name in seen:
            return None
        if name in self.aliases:
            base, original = self.aliases[name]
            return load(self.stubs, base).find_class(original, (*seen, self.name)) if base else None
        for base in self.stars:
            found = base and load(self.stubs, base).find_class(name, (*seen, self.name))
            if found:
                return found
        return None


MODULES = {}


def load(stubs, name):
    if name not in MODULES:
        MODULES[name] = Module(stubs, name)
    return MODULES[name]


def relative(module, node, stubs):
    """The module that a `from ... import` names, when it is one of the stubs."""
    if node.level:
        parts = module.split(".")
        if not stubs.joinpath(*parts).is_dir():
            parts = parts[:-1]
        parts = parts[: len(parts) - node.level + 1]
        base = ".".join(parts + ([node.module] if node.module else []))
    else:
        base = node.module
    path = stubs.joinpath(*base.split("."))
    return base if path.is_dir() or path.with_suffix(".pyi").exists() else None


def stdlib_names(stubs, name):
    module = load(stubs, name)
    public = [n for n in module.public() if n not in ("Any", "overload")]
    if name == "asyncio.subprocess":
        public = ASYNCIO_SUBPROCESS
    if name == "signal":
        public = [n for n in public if n != "NSIG"]
    if name == "multiprocessing":
        public = [n for n in public if n != "reducer"] + ["cpu_count"]
    for item in public:
        yield item
        found = module.find_class(item) or part_of_multiprocessing(stubs, name, item)
        if found and not is_enum_of_signals(item):
            for member in members(found[1]):
                yield f"{item}.{member}"


def part_of_multiprocessing(stubs, module, item):
    """`multiprocessing.Queue` is a method of a context; the class of that name has the members."""
    if module != "multiprocessing":
        return None
    for part in MULTIPROCESSING_PARTS:
        found = load(stubs, f"multiprocessing.{part}").classes.get(item)
        if found:
            return module, found
    return None


def is_enum_of_signals(name):
    return name in ("Signals", "Handlers", "Sigmasks")


def members(node):
    found = []
    for inner in flatten(node.body):
        found += assigned(inner)
    return [n for n in dict.fromkeys(found) if not n.startswith("_")]


def flatten(body):
    """The statements that count for VERSION on Linux."""
    for node in body:
        if isinstance(node, ast.If):
            yield from flatten(node.body if holds(node.test) else node.orelse)
        else:
            yield node


def holds(test):
    scope = {"sys": Sys, "TYPE_CHECKING": True, "True": True}
    return eval(compile(ast.Expression(test), "stub", "eval"), scope)


class Sys:
    version_info = VERSION
    platform = "linux"


def assigned(node):
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    if isinstance(node, ast.Assign):
        return [t.id for t in node.targets if isinstance(t, ast.Name)]
    return []


# gevent, from itself.


def gevent_names(name):
    module = importlib.import_module(name)
    if name == "gevent.socket":
        # The rest are the constants and errors of the standard library's module.
        public = list(module.__implements__) + list(module.__extensions__)
    else:
        public = list(module.__all__)
    for item in public:
        if item.startswith("_"):
            continue
        yield item
        found = getattr(module, item, None)
        if inspect.isclass(found) and (found.__module__ or "").startswith("gevent"):
            for member in gevent_members(found, [getattr(module, name, None) for name in public]):
                yield f"{item}.{member}"


def gevent_members(cls, listed):
    """What the class has from itself, and from those of its bases that are not public themselves."""
    bases = [base for base in cls.__mro__[1:] if base not in listed]
    for base in [cls, *bases]:
        if base.__module__.startswith("gevent"):
            yield from (name for name in vars(base) if not name.startswith("_"))


if __name__ == "__main__":
    main()
