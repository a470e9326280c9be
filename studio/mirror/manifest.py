"""The table of what a mirror holds. It is written last, so it names only what is there whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from studio import codec
from studio.mirror.contents import Group, Kept, is_group, is_of_group

_MOST_GROUPS = 100_000
_MOST_BYTES = 64 * 2**20
_MOST_GENERATIONS = 2**53


@dataclass(frozen=True)
class Manifest:
    """The groups of a mirror. `writer` names the data folder that wrote it, `written` the time.

    `generation` counts the data folders that had the mirror: of two that write at once, the later one goes on.
    `strange` are groups that cannot be brought back. They stay in the mirror: a newer studio may know them.
    """

    writer: str = ""
    written: float = 0.0
    groups: tuple[Group, ...] = ()
    generation: int = 0
    strange: tuple[Group, ...] = ()

    def files(self) -> Iterator[Kept]:
        """Go through the files of all groups."""
        for group in (*self.groups, *self.strange):
            yield from group.files

    def contents(self) -> dict[str, int]:
        """Return the sizes of all contents by their hashes. An empty file has none to be kept."""
        return {kept.sha256: kept.size for kept in self.files() if kept.size}


def write_manifest(manifest: Manifest) -> bytes:
    """Encode a table."""
    return codec.dumps(manifest).encode("utf-8")


def read_manifest(content: bytes) -> Manifest:
    """Decode a table. Raises Damaged for whatever is none; a group that no mirror holds is put among the strange."""
    manifest = codec.from_plain(Manifest, codec.parse(content, most_bytes=_MOST_BYTES))
    found = (*manifest.groups, *manifest.strange)
    if len(found) > _MOST_GROUPS:
        raise codec.Damaged("it names too many things")
    if not 0 <= manifest.generation < _MOST_GENERATIONS:
        raise codec.Damaged("nobody counts so far")
    groups: dict[str, Group] = {}
    strange: list[Group] = []
    for group in found:
        if group.name not in groups and _is_sound(group):
            groups[group.name] = group
        else:
            strange.append(group)
    return replace(manifest, groups=tuple(groups.values()), strange=tuple(strange))


def _is_sound(group: Group) -> bool:
    paths = {kept.path for kept in group.files}
    if not is_group(group.name) or len(paths) < len(group.files):
        return False
    return all(is_of_group(kept, group.name) for kept in group.files)
