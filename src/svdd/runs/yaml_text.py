"""YAML as people write it by hand: what its rules would change without a word is refused, or stays what was typed.

A key that is there twice is an error. Numbers are those of YAML 1.2 and of JSON: `1e-3` is a number, while `012`, `1:30` and
`2026-01-31` stay text, which older rules take for 10, 90 and a date. `yes`, `no`, `on` and `off` are truth values.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from svdd.first_bytes import check_content
from svdd.messages import check
from svdd.user_texts import text_of_file

APART = "x-"
"""How keys at the top begin that are no settings: what stands there can be an anchor for others."""
_TAG = "tag:yaml.org,2002:"
_KEPT = ("bool", "null", "merge")
_KNOWN = {_TAG + name for name in (*_KEPT, "str", "int", "float", "map", "seq")}
_DIGITS = "(?:0|[1-9](?:_?[0-9])*)"
_NUMBERS = {
    "int": rf"[-+]?{_DIGITS}|0x[0-9a-fA-F]+",
    "float": rf"[-+]?(?:{_DIGITS}\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?{_DIGITS}[eE][-+]?[0-9]+|[-+]?\.inf|\.nan",
}
"""How numbers are written; `0x1f` and `.inf` are of YAML, `1_000` of its older rules."""
_DEEPEST, _LONGEST, _MOST = 40, 1_000_000, 100_000


class YamlError(ValueError):
    """A text is not YAML, or YAML whose meaning would surprise its author; it names the line."""


def read_yaml(text: str) -> Any:
    """What one document of YAML holds.

    Raises:
        YamlError: for a text that is no YAML, and for keys that are there twice, tags, references in a circle and the like.
    """
    if len(text) > _LONGEST:
        raise YamlError(f"{len(text):,} characters are too many for settings, {_LONGEST:,} are read at most")
    try:
        loader = _Loader(_without_tabs(text))
        node = loader.get_single_node()
        if node is not None:
            _Look().at(node)
        return None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        raise YamlError(_said(error)) from None


def yaml_of_file(path: str | Path) -> Any:
    """What a file of YAML or JSON holds, without the keys at its top that begin with `x-`.

    Raises:
        OSError: if there is no such file.
        ValueError: as `read_yaml`, with the name of the file; and for a file that is no text, or holds nothing.
    """
    if Path(path).is_file() or Path(path).is_dir():  # a pipe is read once
        check_content(path, accepted=("gzip",))
    try:
        read = read_yaml(text_of_file(path))
    except YamlError as error:
        raise YamlError(f"{path}, {error}") from None
    check(
        read is not None,
        f"{path} holds nothing but comments; give it settings such as 'model: dna-enhancer', one a line",
    )
    if not isinstance(read, dict):
        return read
    return {key: value for key, value in read.items() if not str(key).startswith(APART)}


def as_yaml_text(value: Any) -> str:
    """A value as YAML that `read_yaml` reads back, and readers of older rules too."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False)


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with the rules of this module."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise YamlError(f"line {self.line + 1}: lists and mappings are more than {_DEEPEST} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (KeyError, ValueError, OverflowError):  # !!bool maybe
            raise YamlError(f"{_line(node)}: {node.value!r:.80} is no {node.tag.removeprefix(_TAG)}") from None


class _Dumper(yaml.SafeDumper):
    """Quotes what either rules would take for something else than text."""


def _resolve_as_here() -> None:
    """Gives the loader the numbers of this module in the place of PyYAML's, and takes dates from it."""
    kept = yaml.SafeLoader.yaml_implicit_resolvers
    _Loader.yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag.removeprefix(_TAG) in _KEPT] for first, rules in kept.items()
    }
    for name, rule in _NUMBERS.items():
        for one in (_Loader, _Dumper):
            one.add_implicit_resolver(_TAG + name, re.compile(f"(?:{rule})$", re.IGNORECASE), list("-+.0123456789"))
    _Loader.add_constructor(_TAG + "int", lambda loader, node: int(node.value, 0))


_resolve_as_here()


class _Look:
    """Walks over composed nodes, each once, before anything is made of them."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[int, int]] = {}
        self.open: set[int] = set()

    def at(self, node: yaml.Node) -> tuple[int, int]:
        """How many nodes stand below one, and how deep; those that are referred to count again.

        Raises:
            YamlError: for what settings cannot hold.
        """
        _refuse(id(node) in self.open, node, "a reference (*) leads back to what holds it")
        if id(node) not in self.seen:
            self.open.add(id(node))
            below = [self.at(child) for child in _children(node)]
            self.open.remove(id(node))
            size, depth = 1 + sum(size for size, _ in below), 1 + max((depth for _, depth in below), default=0)
            _refuse(size > _MOST, node, f"its references (*) repeat more than {_MOST:,} values")
            _refuse(depth > _DEEPEST, node, f"its references (*) are more than {_DEEPEST} deep")
            self.seen[id(node)] = size, depth
        return self.seen[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    """What a list or a mapping holds, once its tag and its keys are known to be settings'."""
    tag = node.tag.replace(_TAG, "!!")
    _refuse(
        node.tag not in _KNOWN, node, f"settings have no tags such as {tag}; write text that begins with ! in quotes"
    )
    if isinstance(node, yaml.MappingNode):
        _check_keys([key for key, _ in node.value])
        return [value for _, value in node.value]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _check_keys(keys: list[yaml.Node]) -> None:
    """Looks whether keys are names, each there once; `no`, `on` or `~` in the place of a name are text."""
    lines: dict[tuple[str, str], str] = {}
    for key in keys:
        said = "a list or a mapping stands where a name is needed; write text that begins with [ or { in quotes"
        _refuse(not isinstance(key, yaml.ScalarNode), key, said)
        key.tag = f"{_TAG}str" if key.tag.removeprefix(_TAG) in ("bool", "null", "float") else key.tag
        _children(key)
        name = (key.tag, key.value)
        remedy = "give it one list, <<: [*a, *b]" if key.value == "<<" else "keep one of them"
        _refuse(name in lines, key, f"{key.value!r:.80} is there already in {lines.get(name)}; {remedy}")
        lines[name] = _line(key)


def _refuse(condition: bool, node: yaml.Node, said: str) -> None:
    if condition:
        raise YamlError(f"{_line(node)}: {said}")


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


def _without_tabs(text: str) -> str:
    """JSON may be indented with tabs, which YAML refuses."""
    is_json = text.lstrip().startswith(("{", "["))
    return re.sub(r"^[ \t]+", lambda found: found[0].expandtabs(), text, flags=re.MULTILINE) if is_json else text


_REMEDIES = {
    r"character '\\t' that cannot": "a tab stands where a value or a name begins; indent with spaces",
    r"character ('.') that cannot": "text that begins with {0} stands in quotes",
    "undefined alias": "text that begins with * stands in quotes, unless an anchor (&) of that name stands before it",
    "mapping values are not allowed": "a ': ' stands where none can; put a blank after each colon before it, write text that "
    "holds ': ' in quotes, or mend the indentation",
    "could not find expected ':'": "write name: value, with a blank after the colon",
    "another document": "it begins a second document (---); write each into a file of its own",
    "for merging": "<< takes a mapping, or a list of mappings, that an anchor (&) names",
}


def _said(error: yaml.YAMLError) -> str:
    """What PyYAML found, in one sentence with the line, and what to do about it where that is known."""
    if isinstance(error, yaml.reader.ReaderError):
        return (
            f"it is not valid YAML: the character {chr(error.character)!a} at position {error.position + 1} is no text"
        )
    assert isinstance(error, yaml.MarkedYAMLError), "all others say where they are"
    mark, problem = error.problem_mark or error.context_mark, error.problem or ""
    assert mark is not None, "and they have a line"
    found = ((re.search(rule, problem), remedy) for rule, remedy in _REMEDIES.items())
    remedies = [remedy.format(*match.groups()) for match, remedy in found if match]
    said = remedies[0] if remedies else " ".join(filter(None, [error.context, problem]))
    return f"line {mark.line + 1} is not valid YAML: {said}"
