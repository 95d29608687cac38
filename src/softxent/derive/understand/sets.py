"""Index sets by inference: whatever indexes the same place of a quantity runs over the same set."""

from __future__ import annotations

_SIZE = "size:"


class Sets:
    """Classes of places that share an index set; a place is a string."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._named: set[str] = set()
        self._sizes: dict[str, list[str]] = {}
        """The sizes among the members of a class, where there are any."""
        self.version = 0
        """Goes up when a set whose name was asked for gets another one."""

    def find(self, place: str) -> str:
        """Return what stands for the class of a place."""
        parent = self._parent
        if place not in parent:
            parent[place] = place
            self._members[place] = [place]
            if place.startswith(_SIZE):
                self._sizes[place] = [place.removeprefix(_SIZE)]
            return place
        root = place
        while parent[root] != root:
            root = parent[root]
        while parent[place] != root:
            parent[place], place = root, parent[place]
        return root

    def join(self, one: str, other: str) -> None:
        """Say that two places have the same set."""
        first, second = self.find(one), self.find(other)
        if first == second:
            return
        if len(self._members[first]) < len(self._members[second]):
            first, second = second, first
        if first in self._named or second in self._named:
            before = {self.name(root) for root in (first, second) if root in self._named}
        else:
            before = set()
        self._parent[second] = first
        self._members[first] += self._members.pop(second)
        if second in self._sizes:
            self._sizes[first] = sorted([*self._sizes.get(first, ()), *self._sizes.pop(second)])
        if before and before != {self.name(first)}:
            self.version += 1

    def name(self, place: str) -> str:
        """Return the set's name: the size that the text gives it, else the place itself."""
        self._named.add(self.find(place))
        sizes = self.sizes(place)
        return sizes[0] if sizes else self.find(place)

    def sizes(self, place: str) -> list[str]:
        """Return all the sizes that the text gives a set, in alphabetical order."""
        return list(self._sizes.get(self.find(place), ()))

    def copy(self) -> Sets:
        """Return a copy that later unions leave alone."""
        new = Sets()
        new._parent = dict(self._parent)
        new._named = set(self._named)
        new._sizes = {root: list(sizes) for root, sizes in self._sizes.items()}
        new.version = self.version
        new._members = {root: list(members) for root, members in self._members.items()}
        return new

    def merged(self, before: Sets) -> bool:
        """Whether sets that an earlier state held apart are one now.

        What is only called endless, as nothing tells how far it goes, may become any set.
        """
        roots = [
            self.find(root)
            for root, members in before._members.items()
            if len(members) > 1 and not any(one.startswith("endless/") for one in members)
        ]
        return len(set(roots)) != len(roots)

    def classes(self) -> list[list[str]]:
        """Return all sets, each by its sizes."""
        return [self.sizes(root) for root in list(self._members)]


def size_place(size: str) -> str:
    """Return the place of a size such as K."""
    return _SIZE + size
