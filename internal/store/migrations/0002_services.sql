-- What receipts, one-time passwords, activation on the way and the additional
-- services need. A text that holds JSON is empty for the zero value, so that an
-- ordinary row neither writes nor reads JSON.

ALTER TABLE parties ADD COLUMN auto_activation boolean NOT NULL DEFAULT false;
ALTER TABLE parties ADD COLUMN test_numbers boolean NOT NULL DEFAULT false;
ALTER TABLE parties ADD COLUMN geofence text NOT NULL DEFAULT ''; -- JSON

ALTER TABLE subscribers ADD COLUMN recovery_code boolean NOT NULL DEFAULT false;

ALTER TABLE devices ADD COLUMN pin_blocked boolean NOT NULL DEFAULT false;
ALTER TABLE devices ADD COLUMN network text NOT NULL DEFAULT ''; -- JSON

-- SQLite cannot change a CHECK, so the table is created again. The old table is
-- renamed first: on PostgreSQL that locks it, so that no row is lost that another
-- process writes meanwhile. The keys have new names because the old table has the
-- old names until it is dropped.
ALTER TABLE transactions RENAME TO transactions_1;

-- No reference to party, subscriber, device or certificate: a transaction is
-- a record, and a row lock on the party for every insert would make requests of
-- one party wait for each other.
CREATE TABLE transactions (
    id           text NOT NULL CONSTRAINT transactions_id PRIMARY KEY,
    ap_id        text NOT NULL,
    ap_trans_id  text NOT NULL,
    ap_instant   bigint NOT NULL,
    msisdn       text NOT NULL,
    msisdn_sent  text NOT NULL,
    device_id    text NOT NULL,
    method       text NOT NULL,
    profile      text NOT NULL,
    async        boolean NOT NULL,
    lang         text NOT NULL,
    mime_type    text NOT NULL,
    dtbd         text NOT NULL,
    services     text NOT NULL, -- JSON
    signed_attrs bytea,
    cert_serial  text NOT NULL,
    state        text NOT NULL,
    code         bigint NOT NULL, -- 0 while outstanding
    detail       text NOT NULL,
    signature    bytea,
    location     text NOT NULL DEFAULT '', -- JSON
    created      bigint NOT NULL,
    expires      bigint NOT NULL,
    finished     bigint,
    CONSTRAINT transactions_call UNIQUE (ap_instant, ap_id, ap_trans_id),
    CONSTRAINT transactions_states CHECK (state IN ('outstanding', 'signed', 'receipted', 'delivered', 'failed')),
    CONSTRAINT transactions_unfinished CHECK ((state = 'outstanding') = (finished IS NULL)),
    CONSTRAINT transactions_codeless CHECK ((state = 'outstanding') = (code = 0)),
    CONSTRAINT transactions_success CHECK ((state IN ('signed', 'receipted')) = (code = 500)),
    CONSTRAINT transactions_signature CHECK ((state IN ('signed', 'receipted')) = (signature IS NOT NULL)),
    CONSTRAINT transactions_delivery CHECK ((state = 'delivered') = (code = 100))
);

INSERT INTO transactions (id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async,
    lang, mime_type, dtbd, services, signed_attrs, cert_serial, state, code, detail, signature, created, expires, finished)
SELECT id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method,
    CASE method
        WHEN 'App' THEN 'http://mid.swisscom.ch/Device-LoA4'
        ELSE 'http://mid.swisscom.ch/STK-LoA4'
    END, async,
    lang, mime_type, dtbd, '', signed_attrs, cert_serial, state, code, detail, signature, created, expires, finished
FROM transactions_1;

DROP TABLE transactions_1;

-- At most one outstanding transaction per subscriber and method.
CREATE UNIQUE INDEX transactions_busy ON transactions (msisdn, method) WHERE state = 'outstanding';

-- For expiry, and for the pages of IDs that recovery reads.
CREATE INDEX transactions_outstanding ON transactions (expires, id) WHERE state = 'outstanding';

-- Purge.
CREATE INDEX transactions_finished ON transactions (finished) WHERE finished IS NOT NULL;

-- A transaction has at most one receipt, which is deleted with it.
CREATE TABLE receipts (
    trans_id  text NOT NULL CONSTRAINT receipts_id PRIMARY KEY
        CONSTRAINT receipts_transaction REFERENCES transactions (id) ON DELETE CASCADE,
    device_id text NOT NULL,
    method    text NOT NULL,
    msisdn    text NOT NULL,
    lang      text NOT NULL,
    mime_type text NOT NULL,
    text      text NOT NULL,
    created   bigint NOT NULL,
    expires   bigint NOT NULL,
    result    text NOT NULL, -- empty while pending
    finished  bigint,
    CONSTRAINT receipts_results CHECK (result IN ('', 'OK', 'CANCEL', 'TIMEOUT', 'LOST')),
    CONSTRAINT receipts_pending CHECK ((result = '') = (finished IS NULL))
);
