-- Times are microseconds since the epoch. The names of the types exist in both
-- engines; SQLite derives a fitting affinity from them.

CREATE TABLE parties (
    id            text PRIMARY KEY,
    password_hash bytea CHECK (length(password_hash) = 32),
    dtbd_prefix   text NOT NULL,
    pins          text NOT NULL, -- JSON array of SHA-256 in hex
    profiles      text NOT NULL, -- JSON array of URIs
    auth_profile1 text NOT NULL,
    services      text NOT NULL, -- JSON array of URIs
    default_lang  text NOT NULL
);

CREATE TABLE certificates (
    serial     text PRIMARY KEY, -- lower-case hex
    device_id  text NOT NULL,    -- no reference: a certificate outlives its device
    state      text NOT NULL CHECK (state IN ('INTENDED', 'GOOD', 'REVOKED')),
    tbs        bytea,
    der        bytea,
    not_before bigint NOT NULL,
    not_after  bigint NOT NULL,
    revoked_at bigint,
    reason     bigint NOT NULL,
    CHECK ((state = 'INTENDED') = (der IS NULL)),
    CHECK ((state = 'REVOKED') = (revoked_at IS NOT NULL))
);

-- The revocation list.
CREATE INDEX certificates_revoked ON certificates (not_after) WHERE state = 'REVOKED';

CREATE TABLE subscribers (
    msisdn text PRIMARY KEY,
    serial text NOT NULL,
    state  text NOT NULL CHECK (state IN ('ACTIVE', 'INACTIVE'))
);

CREATE TABLE devices (
    id          text PRIMARY KEY,
    msisdn      text NOT NULL REFERENCES subscribers (msisdn) ON DELETE CASCADE,
    method      text NOT NULL CHECK (method IN ('SIM', 'App')),
    state       text NOT NULL CHECK (state IN ('ACTIVE', 'INACTIVE', 'REGISTERED')),
    key_type    text NOT NULL CHECK (key_type IN ('', 'EC', 'RSA')),
    cert_serial text REFERENCES certificates (serial)
);

CREATE INDEX devices_msisdn ON devices (msisdn);

-- No reference to party, subscriber, device or certificate: a transaction is
-- a record, and a row lock on the party for every insert would make requests of
-- one party wait for each other.
CREATE TABLE transactions (
    id           text PRIMARY KEY,
    ap_id        text NOT NULL,
    ap_trans_id  text NOT NULL,
    ap_instant   bigint NOT NULL,
    msisdn       text NOT NULL,
    msisdn_sent  text NOT NULL,
    device_id    text NOT NULL,
    method       text NOT NULL,
    async        boolean NOT NULL,
    lang         text NOT NULL,
    mime_type    text NOT NULL,
    dtbd         text NOT NULL,
    signed_attrs bytea,
    cert_serial  text NOT NULL,
    state        text NOT NULL CHECK (state IN ('outstanding', 'signed', 'failed')),
    code         bigint NOT NULL, -- 0 while outstanding
    detail       text NOT NULL,
    signature    bytea,
    created      bigint NOT NULL,
    expires      bigint NOT NULL,
    finished     bigint,
    UNIQUE (ap_instant, ap_id, ap_trans_id),
    CHECK ((state = 'outstanding') = (finished IS NULL)),
    CHECK ((state = 'outstanding') = (code = 0)),
    CHECK ((state = 'signed') = (code = 500)),
    CHECK ((state = 'signed') = (signature IS NOT NULL))
);

-- At most one outstanding transaction per subscriber and method.
CREATE UNIQUE INDEX transactions_busy ON transactions (msisdn, method) WHERE state = 'outstanding';

-- For expiry, and for the pages of IDs that recovery reads.
CREATE INDEX transactions_outstanding ON transactions (expires, id) WHERE state = 'outstanding';

-- Purge.
CREATE INDEX transactions_finished ON transactions (finished) WHERE finished IS NOT NULL;
