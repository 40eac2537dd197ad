-- What the owners of accounts were told, for as long as they can object. Like an invite,
-- a notice does not reference the subscriber; the device that it is about may be gone.
CREATE TABLE notices (
    id        text NOT NULL,
    msisdn    text NOT NULL,
    kind      text NOT NULL,
    device_id text NOT NULL,
    name      text NOT NULL,
    by_code   boolean NOT NULL,
    code_hash bytea NOT NULL,
    created   bigint NOT NULL,
    expires   bigint NOT NULL,
    CONSTRAINT notices_one PRIMARY KEY (msisdn, id),
    CONSTRAINT notices_code UNIQUE (code_hash)
);

-- Purge.
CREATE INDEX notices_expires ON notices (expires);
