"""Streams for tests: a broker in this process, alerts of some objects, and runs that know such alerts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ictconvention.api.ingest import ingest
from ictconvention.configuration.compose import compose_run
from ictconvention.survey.survey import Survey
from ictconvention.training.run import run
from tests.ingestion import alert_packets, rubin_packets
from tests.ingestion.alert_packets import Alert, avro_bytes, detection, limit

CLASSES = ("AGN", "SN Ia")
ANSWER = 60  # [s] that a broker has at most, on a machine that stalls
QUICK = [
    *("profile=tiny", "survey=path", "fold=single", "figures=false", "trainer.batch_size=16", "sequence.max_frames=12"),
    *("sequence.select=frames", "stage.pretrain.max_epochs=1", "stage.finetune.max_epochs=0", "fold.count=3"),
]


@dataclass
class Broker:
    """A cluster of one broker that lives in this process."""

    servers: str
    producer: Any

    @classmethod
    def started(cls) -> "Broker":
        from confluent_kafka import Producer

        producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "nobody"})
        known = producer.list_topics(timeout=ANSWER).brokers.values()
        return cls(",".join(f"{one.host}:{one.port}" for one in known), producer)

    def put(self, topic: str, packets: Iterable[bytes], partitions: int = 1) -> None:
        for number, content in enumerate(packets):
            self.producer.produce(topic, value=content, partition=number % partitions)
        assert self.producer.flush(ANSWER) == 0

    def address(self, topic: str) -> str:
        return f"kafka://{self.servers}/{topic}"

    def contents(self, topic: str) -> list[bytes]:
        """Return the messages of a topic."""
        from confluent_kafka import Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": "test"})
        places = [
            TopicPartition(topic, n, 0) for n in consumer.list_topics(topic, timeout=ANSWER).topics[topic].partitions
        ]
        ends = sum(consumer.get_watermark_offsets(one, timeout=ANSWER)[1] for one in places)
        consumer.assign(places)
        found = [one.value() or b"" for one in consumer.consume(ends, timeout=ANSWER)] if ends else []
        consumer.close()
        return found


def ztf_alerts(objects: Iterable[int], each: int = 4, first: int = 0) -> list[Alert]:
    """Return alerts of some objects in the order of time, some days apart, with photometry of earlier times."""
    found = []
    for night in range(first, first + each):
        for number in objects:
            day = 3 * night + 0.01 * number
            one = alert_packets.alert(
                f"ZTF18{number:07d}",
                day,
                fid=1 + (number + night) % 2,
                counts=500.0 + 300 * (number % 7) * (1 + np.sin(night + number)),
                noise=20.0,
                previous=[detection(day - 1, fid=1, magnitude=18 + number % 3), limit(day - 2, fid=2)],
            )
            one["candidate"] |= {"ra": 10 + 0.1 * number, "dec": 5.0 if number % 2 else -5.0}
            found.append(one)
    return found


def packets_of(alerts: Iterable[Alert]) -> list[bytes]:
    """Return a packet for each alert, which holds its schema, as ZTF's do."""
    return [avro_bytes([one], codec="deflate") for one in alerts]


def write_packets(folder: Path, packets: Iterable[bytes]) -> Path:
    """Write packets as the files of a night."""
    folder.mkdir(parents=True)
    for number, content in enumerate(packets):
        (folder / f"{number:05d}.avro").write_bytes(content)
    return folder


def ztf_survey(path: Path, packets: Iterable[bytes], **options: Any) -> Survey:
    """Ingest packets as a survey."""
    source = write_packets(path.with_name(f"{path.name}-packets"), packets)
    return ingest("ztf", source, path, **{"bands": ["g", "r"], "size": 24, "jobs": 1, **options}).survey


def trained(survey: Survey, runs: Path, *words: str) -> Path:
    """Train for seconds on a survey."""
    return run(compose_run([*words, *QUICK, f"survey.path={survey.path}", f"runs={runs}"]))


def ztf_run(folder: Path, *words: str, **options: Any) -> Path:
    """Train for seconds on alerts of objects that are in no stream."""
    numbers = range(1000, 1024)
    lines = ["id,class", *(f"ZTF18{number:07d},{CLASSES[number % 2]}" for number in numbers)]
    (folder / "labels.csv").write_text("\n".join(lines))
    packets = packets_of(ztf_alerts(numbers))
    survey = ztf_survey(folder / "learned", packets, objects=folder / "labels.csv", **options)
    return trained(survey, folder / "runs", *words)


def rubin_alerts(objects: Iterable[int], each: int = 3) -> list[Alert]:
    """Return Rubin alerts of some objects in the order of time."""
    return [
        rubin_packets.alert(
            rubin_packets.OBJECT + number,
            2 * night + 0.01 * number,
            band="gri"[(number + night) % 3],
            angle=40.0 * night,
            flux=5000.0 + 1000 * number,
            seed=100 * number + night,
            ra=rubin_packets.RA,
        )
        for night in range(each)
        for number in objects
    ]


def rubin_run(folder: Path) -> Path:
    """Train for seconds on Rubin alerts."""
    numbers = range(1000, 1016)
    rubin_packets.write_alerts(folder / "night.avro", rubin_alerts(numbers))
    lines = ["id,class,ra,dec"]
    lines += [f"{rubin_packets.OBJECT + number},{CLASSES[number % 2]},{number % 360},-40" for number in numbers]
    (folder / "labels.csv").write_text("\n".join(lines))
    survey = ingest(
        "rubin", folder / "night.avro", folder / "s", objects=folder / "labels.csv", bands="g,r,i", jobs=1
    ).survey
    return trained(survey, folder / "runs", "experiment=light_curve_sdss")


def rows_in(out: Path) -> list[dict[str, Any]]:
    """Return all rows that a watch has written, in the order of its files."""
    return [row for file in sorted(out.glob("predictions-*.parquet")) for row in pq.read_table(file).to_pylist()]


def by_candidate(rows: Sequence[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Return rows by the number of their detection, of which none stands twice."""
    found = {int(row["candidate"]): row for row in rows}
    assert len(found) == len(rows)
    return found
