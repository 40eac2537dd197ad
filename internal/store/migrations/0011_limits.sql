-- What replaces the limits of the service for one party (JSON, empty for nothing), and
-- whether the service itself is the party. A program of the version before leaves the
-- defaults, which replace nothing.
ALTER TABLE parties ADD COLUMN limits text NOT NULL DEFAULT '';
ALTER TABLE parties ADD COLUMN own boolean NOT NULL DEFAULT false;
