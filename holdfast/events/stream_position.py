"""How far the streams were read: an epoch, and of each partition the last entry. As text it fits `Last-Event-ID`."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace

from holdfast.events.partitions import PARTITIONS

# An entry's id in Redis: milliseconds, and a number within them.
EntryId = tuple[int, int]

_EPOCH = re.compile(r"[A-Za-z0-9-]{1,64}")
# Two numbers of 64 bits for each partition, seven bits to a byte.
_LONGEST_TEXT = 64 + 1 + PARTITIONS * 2 * 10 * 4 // 3 + 4
_BITS = 7
_MORE = 1 << _BITS
_BEYOND = 2**64


def entry_id_of(text: str) -> EntryId:
    """Return the id that Redis writes as text. Ids compare as they follow each other in a stream."""
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number)


def is_complete_epoch(name: str) -> bool:
    """Return whether it is the name of an epoch, and not of one that is being filled or missing."""
    return _EPOCH.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """A position in the streams of one epoch."""

    epoch: str
    entries: tuple[EntryId, ...]

    def after(self, partition: int, entry: EntryId) -> "StreamPosition":
        """Return the position behind this entry."""
        return replace(self, entries=(*self.entries[:partition], entry, *self.entries[partition + 1 :]))

    def joined(self, other: "StreamPosition | None") -> "StreamPosition":
        """Return the position behind all that is behind one of both; one of another epoch does not count."""
        if other is None or other.epoch != self.epoch:
            return self
        return replace(self, entries=tuple(map(max, self.entries, other.entries)))

    def encode(self) -> str:
        """Return the position as text of some 170 characters, which `decode` reads."""
        numbers = bytearray()
        for entry in self.entries:
            for number in entry:
                rest = number
                while rest >= _MORE:
                    numbers.append(rest % _MORE | _MORE)
                    rest >>= _BITS
                numbers.append(rest)
        return f"{self.epoch}.{urlsafe_b64encode(numbers).decode().rstrip('=')}"

    @classmethod
    def decode(cls, text: str) -> "StreamPosition":
        """Return the position that was encoded. Raises ValueError for anything else."""
        epoch, _, encoded = text.partition(".")
        if len(text) > _LONGEST_TEXT or not is_complete_epoch(epoch) or not encoded.isascii():
            raise ValueError("is no position")
        numbers = _numbers(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        if len(numbers) != 2 * PARTITIONS or max(numbers) >= _BEYOND:
            raise ValueError("is no position of these partitions")
        position = cls(epoch, tuple(zip(numbers[::2], numbers[1::2], strict=True)))
        # The decoder passes over what is no letter of its alphabet.
        if position.encode() != text:
            raise ValueError("is no position as it was encoded")
        return position


def _numbers(encoded: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in encoded:
        number |= byte % _MORE << shift
        shift += _BITS
        if byte < _MORE:
            numbers.append(number)
            number, shift = 0, 0
    return numbers
