"""Where a topic of Kafka is: kafka://HOST[:PORT]/TOPIC, and what its brokers want to know of a client."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.core.plain_file import read_plain

PORT = 9092
FORM = re.compile(r"kafka://(?P<hosts>[^/\s]+)/(?P<topic>[A-Za-z0-9._-]{1,249})")
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")
OURS = {  # settings of clients that the promises of `watch` hang on
    *("bootstrap.servers", "group.id", "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset"),
    *("acks", "enable.idempotence", "enable.partition.eof"),
}


@dataclass(frozen=True)
class Address:
    """A topic.

    Parameters
    ----------
    servers : str
        HOST:PORT, several with commas.
    topic : str
        Its name.
    """

    servers: str
    topic: str

    def __str__(self) -> str:
        return f"kafka://{self.servers}/{self.topic}"


def parse_address(text: str, where: str = "the first argument of watch") -> Address:
    """Return the topic that kafka://HOST[:PORT]/TOPIC names; several hosts are parted by commas.

    Raises
    ------
    UsageError
        It is no such address.
    """
    match = FORM.fullmatch(text)
    hosts = match["hosts"].split(",") if match else []
    if match is None or not all(HOST.fullmatch(host) for host in hosts):
        fix = f"write kafka://HOST[:PORT]/TOPIC, such as kafka://broker.example.org:{PORT}/ztf_alerts"
        raise UsageError(f"{text!r} is no address of a topic", where, fix, "E-COMMAND-VALUE")
    servers = [host if re.search(r":\d+$", host) else f"{host}:{PORT}" for host in hosts]
    return Address(",".join(servers), match["topic"])


def read_settings(path: Path | None) -> dict[str, str]:
    """Return the settings of a file for librdkafka, KEY=VALUE lines as in Java's properties; none without a file.

    Raises
    ------
    UsageError
        A line is none, or sets what `watch` decides.
    """
    if path is None:
        return {}
    with readable_os_errors("reading the settings of Kafka", path):
        lines = read_plain(path).decode("utf-8", "replace").splitlines()
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not (key and equals):
            fix = "write KEY=VALUE, such as security.protocol=SASL_SSL"
            raise UsageError("this line is no setting", f"{path}, line {number}", fix, "E-COMMAND-VALUE")
        if key in OURS:
            found_it = f"{key} is not to be set: that no alert is lost hangs on it"
            raise UsageError(found_it, f"{path}, line {number}", "leave this line out", "E-COMMAND-CONFLICT")
        found[key] = value
    return found


def check_packages() -> None:
    """Refuse to go on without the packages of the extra.

    Raises
    ------
    UsageError
        One is not installed.
    """
    for name in ("confluent_kafka", "fastavro"):
        if find_spec(name) is None:
            fix = "install the extra: pip install -c constraints.txt '.[stream]'"
            raise UsageError(f"the package {name} is not installed", "watch", fix, "E-PACKAGE-MISSING")
