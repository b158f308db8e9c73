"""A strategy and every file that it names as one folder: each is copied under a name of its own, and what names it is
rewritten, so that the folder is enough to read the strategy again when its sources are gone."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import yaml

from tightloop.model.files.overrides import KEY

CODE = ".py"
FOLDER = "files"
"""Where the files lie that a strategy names."""


class Gathering:
    """``contents``: what was read, by resolved path. ``found``: texts and bytes of the folder, by their path in it."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = {str(Path(name).resolve()): content for name, content in contents.items()}
        self._names: dict[str, str] = {}
        self.found: dict[str, bytes] = {}

    def add(self, name: str, file: str, text: str) -> None:
        """Put a strategy, or a layer of one, under ``name``; ``file`` is where its paths begin."""
        inside = PurePosixPath(name).parent
        changes = []
        for start, end, written, rest in named_files(text):
            own = Path(file).parent / written
            if str(own.resolve()) not in self._contents:
                own = Path(written)  # an option named it, from where the command ran
            if str(own.resolve()) not in self._contents:
                continue  # laid over by another file: nobody read it
            target = self._copied(own, own.name if written == own.name and own.suffix == CODE else None)
            shown = target if inside == PurePosixPath() else PurePosixPath(target).name
            if shown != written:
                changes.append((start, end, quoted(shown + rest)))
        for start, end, shown in sorted(changes, reverse=True):
            text = text[:start] + shown + text[end:]
        self.found[name] = text.encode()

    def add_code(self, file: str) -> None:
        """Keep code that a strategy names as a module, which is found wherever it is installed."""
        if str(Path(file).resolve()) not in self._names:
            self._copied(Path(file), Path(file).name)

    def _copied(self, path: Path, beside: str | None = None) -> str:
        """The name in the folder of a file that was read; what it names comes along. ``beside``: the name it has when
        that is free, next to the strategy."""
        own = str(path.resolve())
        if own in self._names:
            return self._names[own]
        taken, number, name = set(self._names.values()), 1, f"{FOLDER}/{path.name}"
        if beside is not None and beside not in taken:
            name = beside
        while name in taken:
            number += 1
            name = f"{FOLDER}/{path.stem}-{number}{path.suffix}"
        self._names[own] = name
        content = self._contents[own]
        self.found[name] = content
        if path.suffix.lower() in (".yaml", ".yml"):
            self.add(name, str(path), content.decode("utf-8-sig"))
        return name


def quoted(text: str) -> str:
    """A text as YAML of one line, whatever stands in it."""
    return "'" + text.replace("'", "''") + "'"


def named_files(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Where a strategy file names other files: begin and end in the text, the path, and what stands behind it."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    seen: set[int] = set()
    for node, is_class in _scalars(root):
        start, end = node.start_mark.index, node.end_mark.index
        if start in seen or not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
            continue
        seen.add(start)
        path, colon, name = node.value.rpartition(":") if is_class else (node.value, "", "")
        yield start, end, path, colon + name


def _scalars(root: yaml.Node | None) -> Iterator[tuple[yaml.Node, bool]]:
    """Nodes that hold a path, and whether a class follows it."""
    for key, node in _pairs(root):
        if key == "extends":
            yield from ((own, False) for own in (node.value if isinstance(node, yaml.SequenceNode) else [node]))
        elif key == "flows":
            yield node, False
        elif key == "class":
            yield node, True
        elif key == KEY:
            for path, value in _pairs(node):
                if path in ("flows", "class") or (path.startswith("legs.") and path.endswith(".signal.path")):
                    yield value, path == "class"
        elif key == "legs":
            for _, leg in _pairs(node):
                for own, signal in _pairs(leg):
                    if own == "signal":
                        yield from ((path, False) for name, path in _pairs(signal) if name == "path")


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value
