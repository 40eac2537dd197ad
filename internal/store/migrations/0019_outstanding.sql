-- Outstanding transactions get a table of their own on PostgreSQL, whose large tables
-- are partitioned by time. On SQLite an index on a part of the table serves as well.

-- What is due, see package retention.
CREATE INDEX certificates_end ON certificates (not_after);
CREATE INDEX devices_certificate ON devices (cert_serial);
CREATE INDEX devices_end ON devices (ended_at) WHERE ended_at IS NOT NULL;
