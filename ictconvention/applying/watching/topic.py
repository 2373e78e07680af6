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
        found: list[Message] = []
        until = time.monotonic() + WAIT
        while len(found) < size and (left := until - time.monotonic()) > 0 and not stopped():
            came = self._consumer.consume(size - len(found), timeout=min(WAIT, left))
            read = [self._read(one) for one in came if not self._is_trouble(one)]
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
            if time.monotonic() > self._look_again:
                self._look_again = time.monotonic() + LOOK_AGAIN
                if new := [number for number in self._partitions() if number not in self._position]:
                    self._begin(new, newest=False)  # a partition that was added later is read whole
            return sum(max(0, self._ends(number, cached=not ask)[1] - at) for number, at in self._position.items())
        except (KafkaException, FileSystemError, UsageError):
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

    def _begin(self, numbers: Iterable[int], newest: bool) -> None:
        """Read partitions from where the group has stopped on, and write down where that is."""
        from confluent_kafka import KafkaException, TopicPartition

        name, lost = self.address.topic, 0
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
                    self._say(f"{name}[{one.partition}] begins anew: it was read up to {at}, and ends at {high}")
                    at = low
                elif at < low:
                    lost, at = lost + low - at, low
                self._position[one.partition] = at
        except KafkaException as error:
            self._refuse(error)
        if lost:
            self._say(f"{pluralize(lost, 'message')} of {name} were removed by the brokers before they were read")
        self._consumer.assign([TopicPartition(name, number, at) for number, at in self._position.items()])
        self.commit()

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

    def _is_trouble(self, message: Any) -> bool:
        """Return whether this is no message but an error, and deal with it."""
        from confluent_kafka import KafkaError, KafkaException

        error = message.error()
        if error is None:
            return False
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            number = int(message.partition())
            low, _ = self._ends(number)
            lost = max(0, low - self._position[number])
            self._say(f"{pluralize(lost, 'message')} of {self.address.topic} were removed before they were read")
            from confluent_kafka import TopicPartition

            self._position[number] = low
            self._consumer.seek(TopicPartition(self.address.topic, number, low))
        elif error.fatal() or not (error.retriable() or error.code() == KafkaError._TRANSPORT):
            self._refuse(KafkaException(error))
        return True

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
