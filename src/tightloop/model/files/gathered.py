"""Packs a strategy and every file it names into one folder that can be read again when the originals are gone.

Each file gets a unique name in the folder, and the paths inside the strategy are rewritten to it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import yaml

from tightloop.model.files.overrides import KEY

CODE = ".py"
FOLDER = "files"
"""Subfolder of the files that a strategy names."""


class Gathering:
    """Collects the files of the folder.

    ``contents``: what was read during the run, by path. ``found``: bytes of each file of the folder, by relative path.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._contents = {str(Path(name).resolve()): content for name, content in contents.items()}
        self._names: dict[str, str] = {}
        self.found: dict[str, bytes] = {}

    def add(self, name: str, file: str, text: str) -> None:
        """Add the text of a strategy, or of a file it extends, as ``name``; its paths are relative to ``file``."""
        inside = PurePosixPath(name).parent
        changes = []
        for start, end, written, rest in named_files(text):
            path = Path(file).parent / written
            if str(path.resolve()) not in self._contents:
                path = Path(written)  # a path given by an option is relative to the working directory
            if str(path.resolve()) not in self._contents:
                continue  # overridden by another file, so it was never read
            target = self._copied(path, path.name if written == path.name and path.suffix == CODE else None)
            shown = target if inside == PurePosixPath() else PurePosixPath(target).name
            if shown != written:
                changes.append((start, end, quoted(shown + rest)))
        for start, end, shown in sorted(changes, reverse=True):
            text = text[:start] + shown + text[end:]
        self.found[name] = text.encode()

    def add_code(self, file: str) -> None:
        """Add the source of an importable module that a strategy names, wherever the module is installed."""
        if str(Path(file).resolve()) not in self._names:
            self._copied(Path(file), Path(file).name)

    def _copied(self, path: Path, beside: str | None = None) -> str:
        """Add a file that was read, with all files it names, and return its name in the folder.

        ``beside``: a name next to the strategy, used if it is still free.
        """
        resolved = str(path.resolve())
        if resolved in self._names:
            return self._names[resolved]
        taken, number, name = set(self._names.values()), 1, f"{FOLDER}/{path.name}"
        if beside is not None and beside not in taken:
            name = beside
        while name in taken:
            number += 1
            name = f"{FOLDER}/{path.stem}-{number}{path.suffix}"
        self._names[resolved] = name
        content = self._contents[resolved]
        self.found[name] = content
        if path.suffix.lower() in (".yaml", ".yml"):
            self.add(name, str(path), content.decode("utf-8-sig"))
        return name


def quoted(text: str) -> str:
    """Quote any text as a single-line YAML scalar."""
    return "'" + text.replace("'", "''") + "'"


def named_files(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield (start, end, path, rest) for every file that a strategy's text names.

    ``start``, ``end``: the span in the text; ``rest``: what follows the path, such as ``:ClassName``.
    """
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
    """Yield nodes that hold a path, and whether a class name follows the path."""
    for key, node in _pairs(root):
        if key == "extends":
            yield from ((base, False) for base in (node.value if isinstance(node, yaml.SequenceNode) else [node]))
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
                for leg_key, signal in _pairs(leg):
                    if leg_key == "signal":
                        yield from ((path, False) for name, path in _pairs(signal) if name == "path")


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value
