"""The house rules, each as one test that names file, line and remedy.

The folders are the floors: a module in the wrong one is told which one is right.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).resolve().parents[1]
CODE = ("tuxpy", "csrc", "conf", "examples", "loadtest", "tests")
DOCUMENTS = (".md", ".toml", ".html", ".txt", ".py", ".yml", ".yaml", ".sh", ".cfg")

# The places of tuxpy/, files and folders, from the ground up. A module imports from its own place or from lower ones,
# never from higher ones and never in a circle; imports for type checkers alone count, too.
FLOORS = (
    *("errors", "values", "base", "atoms", "model", "http", "rules", "config", "engine"),
    *("site", "admin", "process", "syslets", "serving", "server", "cli", "__main__"),
)
LOOSE_MAX = 8  # files at the top of tuxpy/
# The folders of csrc/, from the ground up; the last is its top, the doors. Every file may include api.h.
C_FLOORS = ("base", "chain", "wait", "engine", "log", "http", "")
# In here the order is strict: each imports only from what stands before it.
ATOMS = (
    *("flags", "cells", "calls", "encode", "check", "shortcuts", "chain", "lifecycle", "result"),
    *("kernel", "system_files", "system_sockets", "system", "reference", "words", "canvas", "text"),
    *("script", "graph", "catalogue", "__init__"),
)
# Who alone may import what. The extension has one importer, which turns its codes into exceptions.
DOORS = {"h11": {"parse"}, "rich": {"top", "bar"}, "_engine": {"native"}}
DOORS |= {"click": {"main", "looking", "options", "telling"}}
DOORS |= {"cffi": set[str]()}
DOORS |= {"prometheus_client": {"openmetrics"}}
DOORS |= {"bcrypt": {"passwords"}, "argon2": {"passwords"}}
DOORS |= {"brotli": {"compress"}, "zstandard": {"compress"}, "compression": {"compress"}}

PYTHON_FILE_LINES, C_FILE_LINES, TEST_FILE_LINES = 300, 400, 600  # a module's tests stay in one file
FUNCTION_LINES, COLUMNS = 70, 120
BANNED_C = {
    "strcpy": "memcpy with a length that was checked",
    "strcat": "snprintf into a buffer of known size",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "read",
    "alloca": "an array whose size is a constant of limits.h",
    "atoi": "strtoul and a look at what it left over",
}
# Where bare int() would take "+1", "1_0" and other digits of Unicode.
WIRE = tuple(f"http/{name}" for name in ("parse", "target", "conditional", "ranges", "negotiate"))
ALLOWED_INT = "# int: "  # then why it is right here

Fault: TypeAlias = tuple[Path, int, str]


def report(faults: Iterable[Fault]) -> None:
    lines = [f"{path.relative_to(ROOT)}:{line}: {what}" for path, line, what in faults]
    assert not lines, "\n" + "\n".join(lines)


def files(suffixes: tuple[str, ...], folders: Iterable[str] = CODE) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path


@lru_cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


# Floors of Python.


def imports(path: Path) -> Iterator[tuple[int, int, str]]:
    """(line, level, dotted name) of every import: level is the number of dots in front."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.level, alias.name) for alias in node.names)


def neighbours(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name beneath tuxpy) of the modules that a module imports of its own package."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (path.parents[node.level - 1]).relative_to(ROOT / "tuxpy").parts
            named = (*base, *(node.module or "").split(".")) if node.module else base
            for alias in node.names:
                yield node.lineno, _module_of((*named, alias.name))


def _module_of(parts: tuple[str, ...]) -> str:
    """The module that holds this name: itself, or what stands before it."""
    while parts and not (ROOT / "tuxpy").joinpath(*parts).with_suffix(".py").exists():
        parts = parts[:-1]
        if parts and parts[0] == "atoms":
            return "atoms"
    return ".".join(parts) or "__init__"


def circles(graph: dict[str, list[tuple[Path, int, str]]]) -> Iterator[Fault]:
    done: set[str] = set()

    def walk(name: str, way: tuple[str, ...]) -> Iterator[Fault]:
        for path, line, target in graph.get(name, []):
            if target in way:
                yield path, line, f"{' -> '.join((*way, target))} is a circle: move what both need one floor down"
            elif target not in done:
                yield from walk(target, (*way, target))
        done.add(name)

    for name in graph:
        yield from walk(name, (name,))


def place_of(name: str) -> str:
    """The file or folder at the top of tuxpy/ that a dotted name is in."""
    return name.partition(".")[0]


def right_room(targets: Iterable[str]) -> str:
    """The lowest place that may import all of these."""
    highest = max((FLOORS.index(place_of(target)) for target in targets), default=0)
    return next(place for place in FLOORS[highest:] if (ROOT / "tuxpy" / place).is_dir())


def test_python_imports_go_down() -> None:
    faults: list[Fault] = []
    graph: dict[str, list[tuple[Path, int, str]]] = {}
    for path in files((".py",), ["tuxpy"]):
        name = ".".join(path.relative_to(ROOT / "tuxpy").with_suffix("").parts)
        below = [(line, target) for line, target in neighbours(path) if place_of(target) in FLOORS]
        if name == "__init__" or name.startswith("sample."):
            continue
        if place_of(name) not in FLOORS:
            room = right_room(target for _, target in below)
            faults.append((path, 1, f"{name} has no place: put it into tuxpy/{room}/, or name a new folder in FLOORS"))
            continue
        own = FLOORS.index(place_of(name))
        for line, target in below:
            graph.setdefault(name, []).append((path, line, target))
            if FLOORS.index(place_of(target)) > own:
                room = right_room(target for _, target in below)
                remedy = f"it belongs in tuxpy/{room}/, or {target} should be handed in as a value"
                faults.append((path, line, f"{name} imports {target}, which is higher: {remedy}"))
    report(faults)
    report(circles({name: targets for name, targets in graph.items() if not name.startswith("atoms.")}))


def test_few_files_are_loose() -> None:
    loose = [path for path in sorted((ROOT / "tuxpy").iterdir()) if path.is_file() and path.suffix != ".so"]
    what = f"{len(loose)} files are loose at the top of tuxpy/, at most {LOOSE_MAX}: put the newest into its folder"
    report([(loose[-1], 1, what)] if len(loose) > LOOSE_MAX else [])


def test_every_folder_says_what_lives_there() -> None:
    report(
        (folder, 1, "its __init__.py needs a docstring: what lives here, and what may not")
        for folder in sorted((ROOT / "tuxpy").iterdir())
        if folder.name in FLOORS and folder.is_dir()
        if not ast.get_docstring(tree(folder / "__init__.py"))
    )


def test_python_imports_of_chains_go_down_and_know_neither_http_nor_the_engine() -> None:
    faults: list[Fault] = []
    for path in sorted((ROOT / "tuxpy" / "atoms").glob("*.py")):
        if path.stem not in ATOMS:
            faults.append((path, 1, f"{path.stem} has no place: give it one in ATOMS of tests/test_house.py"))
            continue
        place = ATOMS.index(path.stem)
        for line, level, target in imports(path):
            target = target if level == 1 and target in ATOMS else ""
            if target and ATOMS.index(target) >= place:
                faults.append((path, line, f"{path.stem} stands below {target}: import downward only"))
        for line, level, name in imports(path):
            outside = level > 1 and name not in ("errors", "values")
            if outside or name.partition(".")[0] in ("h11", "http", "cffi", "tuxpy"):
                faults.append((path, line, f"chains do not know {name}: let the caller hand it in"))
    report(faults)


def test_each_dependency_has_one_door() -> None:
    report(
        (path, line, f"only {' or '.join(sorted(DOORS[top])) or 'csrc/cdef.py'} imports {top}: go through it")
        for path in files((".py",), ["tuxpy"])
        for line, level, name in imports(path)
        if (top := name.partition(".")[0]) in DOORS and level <= 1 and path.stem not in DOORS[top]
    )


# Floors of C.


def included(path: Path) -> list[tuple[int, str]]:
    found = [(line, re.match(r'\s*#\s*include "([^"]+\.h)"', text)) for line, text in enumerate(lines_of(path), 1)]
    return [(line, match[1]) for line, match in found if match]


def c_floor(path: Path) -> int | None:
    """Of a file in csrc/, by its folder."""
    room = "" if path.parent == ROOT / "csrc" else path.parent.name
    return C_FLOORS.index(room) if room in C_FLOORS else None


def test_every_header_says_what_it_is_for() -> None:
    remedy = "line one must begin with /* {}: and say what it is for"
    report(
        (path, 1, remedy.format(path.name))
        for path in files((".h",), ["csrc"])
        if not lines_of(path)[0].startswith(f"/* {path.name}: ")
    )


def test_c_includes_go_down() -> None:
    faults: list[Fault] = []
    graph: dict[str, list[tuple[Path, int, str]]] = {}
    for path in files((".c", ".h"), ["csrc"]):
        own, names = c_floor(path), included(path)
        if own is None:
            faults.append((path, 1, f"csrc/{path.parent.name}/ has no place: name it in C_FLOORS of test_house.py"))
            continue
        header = path.with_suffix(".h")
        first = str(header.relative_to(ROOT / "csrc"))
        if path.suffix == ".c" and header.exists() and first != "api.h" and names[0][1] != first:
            faults.append((path, names[0][0], f"include {first} first: that proves it needs nothing else"))
        there = [(line, name) for line, name in names if (ROOT / "csrc" / name).exists() and name != "api.h"]
        floors = {name: c_floor(ROOT / "csrc" / name) or 0 for _, name in there}
        for line, name in names:
            if not (ROOT / "csrc" / name).exists():
                remedy = "name its folder, as in base/base.h; the system's headers stand in <>"
                faults.append((path, line, f"there is no csrc/{name}: {remedy}"))
        for line, name in there:
            if floors[name] > own:
                room = C_FLOORS[max(floors.values())]
                remedy = f"the file belongs in csrc/{room}/, or should go up by data (a ring, a return code)"
                faults.append((path, line, f"{name} is higher than csrc/{path.parent.name}/: {remedy}"))
            if path.suffix == ".h":
                graph.setdefault(first, []).append((path, line, name))
    report(faults)
    report(circles(graph))


def test_only_a_transport_touches_the_socket_of_a_connection() -> None:
    """Who the peer is may be asked by the descriptor; bytes, waiting and closing are for csrc/http/transport.h."""
    touches = re.compile(r"ops->stream\(|\b(?!getpeername|tux_)\w+\((?:[^()]*, )?conn->fd\b")
    plain = ROOT / "csrc" / "http" / "plain.c"
    assert any(map(touches.search, lines_of(plain))), "this test looks for what is not there"
    report(
        (path, line, f"{found[0]}: call the connection's transport instead")
        for path in files((".c", ".h"), ["csrc"])
        if path != plain
        for line, text in enumerate(lines_of(path), 1)
        if (found := touches.search(text))
    )


# Sizes.


def test_files_are_small() -> None:
    def most(path: Path) -> int:
        if path.is_relative_to(ROOT / "tests"):
            return TEST_FILE_LINES
        return PYTHON_FILE_LINES if path.suffix == ".py" else C_FILE_LINES

    report(
        (path, have, f"at most {most(path)} lines: split it by what it does")
        for path in files((".py", ".c", ".h"))
        if (have := len(lines_of(path))) > most(path)
    )


def test_lines_are_short() -> None:
    report(
        (path, line, f"{len(text)} columns, at most {COLUMNS}: break it where a reader would pause")
        for path in files((".py", ".c", ".h"))
        for line, text in enumerate(lines_of(path), 1)
        if len(text) > COLUMNS
    )


def test_functions_are_short() -> None:
    report(
        (path, node.lineno, f"{node.name} has {size} lines, at most {FUNCTION_LINES}: give its parts names")
        for path in files((".py",))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    )


# Banned.


def code_of(path: Path) -> list[str]:
    """The lines of a C file with comments and literals emptied."""
    blank: Callable[[re.Match[str]], str] = lambda found: re.sub(r"[^\n]", " ", found[0])  # noqa: E731
    quiet = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
    return quiet.sub(blank, path.read_text(encoding="utf-8")).splitlines()


def test_c_calls_nothing_that_writes_without_a_limit() -> None:
    report(
        (path, line, f"{name} is banned: use {BANNED_C[name]}")
        for path in files((".c", ".h"))
        for line, text in enumerate(code_of(path), 1)
        for name in re.findall(rf"\b({'|'.join(BANNED_C)})\s*\(", text)
    )


def test_text_from_the_wire_never_meets_bare_int() -> None:
    report(
        (path, node.lineno, f"int() takes more than digits: match [0-9] first and say so behind {ALLOWED_INT!r}")
        for path in (ROOT / "tuxpy" / f"{name}.py" for name in WIRE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "int"
        if ALLOWED_INT not in lines_of(path)[node.lineno - 1]
    )


# Words.


def test_the_distribution_is_called_by_its_name() -> None:
    """Somebody else's project is called tuxpy where packages are installed from."""
    wrong = re.compile(r"\b(?:pipx?|uv|poetry)\b[^`#;]*?\b(?:install|add)\s(?:[^`#;]*\s)?['\"]?tuxpy(?![\w/.-])")
    report(
        (path, line, "the distribution is tuxpy-server; only the import and the command are tuxpy")
        for path in [*(p for p in ROOT.iterdir() if p.suffix in DOCUMENTS), *files(DOCUMENTS)]
        for line, text in enumerate(lines_of(path), 1)
        if wrong.search(text)
    )


def test_there_is_one_version() -> None:
    stated = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated, 'pyproject.toml:1: no version = "..." in [project]'
    package = ROOT / "tuxpy" / "__init__.py"
    report(
        (package, line, f"{text.strip()}: pyproject.toml says {stated[1]}; change both")
        for line, text in enumerate(lines_of(package), 1)
        if (found := re.match(r'__version__ = "([^"]+)"', text)) and found[1] != stated[1]
    )


# What ARCHITECTURE.md names.


def named_modules() -> set[str]:
    """Words that stand in its tables and floors, as code or by themselves; paths without their suffix."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    floors = "\n".join(re.findall(r"```\n(C   6.*?)```", text, re.DOTALL)).replace("backend, _epoll, _uring", "backend")
    words = re.findall(r"`([\w/.]+)`", text) + re.findall(r"[\w/.]+", floors)
    return {re.sub(r"\.(?:py|c|h)$", "", word) for word in words}


def test_the_architecture_names_every_module() -> None:
    """A module of a folder by its own name or with the folder's; its header stands for a file of C."""
    named = named_modules()
    last = {word.rpartition("/")[2] for word in named}
    report(
        (path, 1, f"ARCHITECTURE.md does not name {path.stem}: give it a place in its tables")
        for path in files((".py", ".c", ".h"), ["tuxpy", "csrc"])
        if not path.stem.startswith("__") and path.stem not in last
    )


def test_what_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    there = {path.name for path in files((".py", ".c", ".h", ".def", ".css", ".js", ".md"))}
    there |= {str(path.relative_to(ROOT)) for path in files((".py", ".c", ".h", ".md"))}
    there |= {str(path.relative_to(ROOT / "tuxpy")) for path in files((".py",), ["tuxpy"])}
    line_of: Callable[[int], int] = lambda place: text[:place].count("\n") + 1  # noqa: E731
    report(
        (ROOT / "ARCHITECTURE.md", line_of(found.start()), f"there is no {found[1]}: it has moved or gone")
        for found in re.finditer(r"`([\w/]+\.(?:py|c|h|md|css|js))`", text)
        if found[1] not in there
    )
