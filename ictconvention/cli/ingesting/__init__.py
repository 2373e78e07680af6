"""What the commands of `ictconvention ingest` have in common."""
