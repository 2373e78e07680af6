"""A topic that is read batch by batch: its offsets are committed when their alerts are done, and not before.

All partitions are read by this one client, without a rebalance: the alerts of an object may lie in any of them, and its
series must be whole.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from ictconvention.applying.watching.address import Address
from ictconvention.core.errors import FileSystemError, UsageError, did_you_mean, pluralize

WAIT = 0.2  # [s] after which a signal is looked for
ANSWER = 10.0  # [s] that brokers have for an answer
LOOK_AGAIN = 60.0  # [s] after which new partitions are looked for
SILENT = 60.0  # [s] without any broker after which the command ends
FETCH_BYTES = 2**28  # of a packet, at most
FIX = "check the address and the port, that the brokers run, and what they ask of a client (--kafka FILE)"
UNREAD = -1001  # offset of a partition of which a group has read nothing
quiet = logging.getLogger("ictconvention.kafka")  # for what librdkafka says of each try to connect
quiet.addHandler(logging.NullHandler())
quiet.propagate = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a topic: its place, and its bytes."""

    topic: str
    partition: int
    offset: int
    content: bytes

    @property
    def place(self) -> str:
        """Where it is, such as ztf[0]@17."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Topic:
    """A topic, from where a group has stopped reading on.

    Parameters
    ----------
    address : Address
        Where it is.
    group : str
        Name under which the brokers keep how far it was read.
    settings : mapping
        Further settings of librdkafka.
    newest : bool
        Whether to begin with what comes from now on, where the group has read nothing; else with what is there.
    say : function
        Takes a warning.

    Raises
    ------
    FileSystemError
        No broker answers, or they refuse.
    UsageError
        There is no such topic.
    """

    def __init__(
        self,
        address: Address,
        group: str,
        settings: dict[str, str],
        newest: bool = False,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        from confluent_kafka import Consumer, KafkaException

        self.address, self._say = address, say
        self._silent_since: float | None = None
        self._look_again = time.monotonic() + LOOK_AGAIN
        self._position: dict[int, int] = {}
        usual: dict[str, Any] = {
            "bootstrap.servers": address.servers,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "message.max.bytes": FETCH_BYTES,
            "error_cb": self._heard,
            "client.id": "ictconvention",
        }
        try:
            self._consumer = Consumer({**usual, **settings}, logger=quiet)
        except KafkaException as error:
            self._refuse(error)
        try:
            self._begin(self._partitions(), newest)
        except BaseException:
            self._consumer.close()
            raise

    def collect(self, size: int, seconds: float, stopped: Callable[[], bool]) -> list[Message]:
        """Return the next messages: so many, or what came in so many seconds after the first of them.

        Before the first it waits for as long as `WAIT`, and returns none then.

        Raises
        ------
        FileSystemError
            No broker answers for a long time.
        """
        self._look_for_partitions()
        found: list[Message] = []
        until = time.monotonic() + WAIT
        while len(found) < size and (left := until - time.monotonic()) > 0 and not stopped():
            came = self._consumer.consume(size - len(found), timeout=min(WAIT, left))
            read = [self._read(one) for one in came if one.error() is None]
            for one in came:
                if one.error() is not None:  # after the messages, since positions are begun from
                    self._deal_with(one)
            if read and not found:
                until = time.monotonic() + seconds
            found += read
            self._check_silence(bool(read))
        return found

    def commit(self) -> None:
        """Tell the brokers that all messages that were returned are done."""
        from confluent_kafka import KafkaException, TopicPartition

        name = self.address.topic
        try:
            done = self._consumer.commit(
                offsets=[TopicPartition(name, number, at) for number, at in self._position.items()], asynchronous=False
            )
        except KafkaException as error:
            self._refuse(error)
        for one in done or ():
            if one.error is not None:
                self._refuse(KafkaException(one.error))

    def lag(self, ask: bool = False) -> int | None:
        """Return how many messages are waiting in all partitions; None where the brokers do not say.

        As was heard with the last messages, or `ask` the brokers.
        """
        from confluent_kafka import KafkaException

        try:
            return sum(max(0, self._ends(number, cached=not ask)[1] - at) for number, at in self._position.items())
        except KafkaException:
            return None

    def close(self) -> None:
        """Leave the brokers; what was not committed will be read again."""
        self._consumer.close()

    def _partitions(self) -> list[int]:
        from confluent_kafka import KafkaException

        name = self.address.topic
        try:
            known = self._consumer.list_topics(name, timeout=ANSWER).topics[name]
            if known.error is None and known.partitions:
                return sorted(known.partitions)
            names = list(self._consumer.list_topics(timeout=ANSWER).topics)
        except KafkaException as error:
            self._refuse(error)
        found = f"there is no topic {name!r}{did_you_mean(name, names)}"
        fix = "name a topic that the brokers have, and that you may read"
        raise UsageError(found, self.address.servers, fix, "E-STREAM-TOPIC")

    def _look_for_partitions(self) -> None:
        """Begin with partitions that were added, from time to time; they are read whole."""
        if time.monotonic() <= self._look_again:
            return
        self._look_again = time.monotonic() + LOOK_AGAIN
        try:
            if new := [number for number in self._partitions() if number not in self._position]:
                self._begin(new, newest=False)
        except (FileSystemError, UsageError):  # brokers that are away are looked for elsewhere
            return

    def _begin(self, numbers: Iterable[int], newest: bool) -> None:
        """Read partitions from where the group has stopped on, all or none, and write down where that is."""
        from confluent_kafka import KafkaException, TopicPartition

        name, lost = self.address.topic, 0
        begun: dict[int, int] = {}
        said: list[str] = []
        try:
            known = self._consumer.committed([TopicPartition(name, n) for n in numbers], timeout=ANSWER)
            for one in known:
                if one.error is not None:
                    self._refuse(KafkaException(one.error))
                low, high = self._ends(one.partition)
                at = one.offset
                if at == UNREAD or at < 0:
                    at = high if newest else low
                elif at > high:  # another topic of the same name
                    said.append(self._anew(one.partition, at, high))
                    at = low
                elif at < low:
                    lost, at = lost + low - at, low
                begun[one.partition] = at
            self._assign(begun)
        except KafkaException as error:
            self._refuse(error)
        for line in [*said, *([self._removed(lost)] if lost else [])]:
            self._say(line)
        self.commit()

    def _assign(self, begun: dict[int, int]) -> None:
        """Read all partitions from their positions on, some from new ones."""
        from confluent_kafka import TopicPartition

        position = {**self._position, **begun}
        self._consumer.assign([TopicPartition(self.address.topic, number, at) for number, at in position.items()])
        self._position = position

    def _anew(self, number: int, at: int, high: int) -> str:
        return f"{self.address.topic}[{number}] begins anew: it was read up to {at}, and ends at {high}"

    def _removed(self, lost: int) -> str:
        return f"{pluralize(lost, 'message')} of {self.address.topic} were removed by the brokers before they were read"

    def _ends(self, number: int, cached: bool = False) -> tuple[int, int]:
        """Return the offsets of the oldest message of a partition, and of the next one; `cached`: as was heard last."""
        from confluent_kafka import TopicPartition

        place = TopicPartition(self.address.topic, number)
        if cached:
            low, high = self._consumer.get_watermark_offsets(place, cached=True)
            if high >= 0:
                return low, high
        return self._consumer.get_watermark_offsets(place, timeout=ANSWER, cached=False)

    def _read(self, message: Any) -> Message:
        number, offset = int(message.partition()), int(message.offset())
        self._position[number] = offset + 1
        return Message(self.address.topic, number, offset, bytes(message.value() or b""))

    def _deal_with(self, message: Any) -> None:
        """Go on after what is no message but an error, or end."""
        from confluent_kafka import KafkaError, KafkaException

        error = message.error()
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._skip_removed(int(message.partition()))
        elif error.fatal() or not (error.retriable() or error.code() == KafkaError._TRANSPORT):
            self._refuse(KafkaException(error))

    def _skip_removed(self, number: int) -> None:
        """Read a partition from its oldest message on; the client has stopped to fetch it, so that it is assigned."""
        from confluent_kafka import KafkaException

        at = self._position[number]
        try:
            low, high = self._ends(number)
            begin = at if low <= at <= high else low  # it may have been dealt with
            self._assign({number: begin})
        except KafkaException as error:
            self._refuse(error)
        if at > high:
            self._say(self._anew(number, at, high))
        elif at < low:
            self._say(self._removed(low - at))

    def _heard(self, error: Any) -> None:
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._silent_since is None:
            self._silent_since = time.monotonic()

    def _check_silence(self, heard: bool) -> None:
        if heard:
            self._silent_since = None
        if self._silent_since is not None and time.monotonic() - self._silent_since > SILENT:
            try:
                self._consumer.list_topics(self.address.topic, timeout=ANSWER)
            except Exception as error:  # noqa: BLE001 - of whatever kind, they are away
                self._refuse(error)
            self._silent_since = None

    def _refuse(self, error: Exception) -> NoReturn:
        raise unanswered(error, self.address) from error


def unanswered(error: Exception, address: Address) -> FileSystemError:
    """Return the error of brokers that do not answer, or refuse, in words."""
    inner = error.args[0] if error.args else error
    reason = inner.str() if hasattr(inner, "str") else str(error)
    return FileSystemError(f"Kafka does not answer as it should: {reason}", str(address), FIX, "E-SERVER-FAILS")
