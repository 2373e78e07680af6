"""A trained run on a stream of alerts: topics of Kafka, packets, the series that they add up to, rows, and the loop."""
