-- A row for each outstanding transaction, which goes away with the outcome. Large tables
-- then need no index on a column that an outcome changes, so the update stays on its page
-- and touches no index (HOT).
CREATE TABLE outstanding (
    id         text COLLATE "C" NOT NULL,
    ap_instant bigint NOT NULL, -- finds the partition of the transaction
    msisdn     text COLLATE "C" NOT NULL,
    method     text COLLATE "C" NOT NULL,
    expires    bigint NOT NULL,
    CONSTRAINT outstanding_id PRIMARY KEY (id),
    -- At most one outstanding transaction per subscriber and method.
    CONSTRAINT outstanding_busy UNIQUE (msisdn, method)
);

-- For expiry.
CREATE INDEX outstanding_expires ON outstanding (expires, id);

ALTER TABLE transactions RENAME TO transactions_18;
ALTER TABLE receipts RENAME TO receipts_18;
ALTER TABLE verifications RENAME TO verifications_18;

CREATE TABLE transactions (
    id           text COLLATE "C" NOT NULL,
    ap_id        text COLLATE "C" NOT NULL,
    ap_trans_id  text COLLATE "C" NOT NULL,
    ap_instant   bigint NOT NULL,
    msisdn       text COLLATE "C" NOT NULL,
    msisdn_sent  text NOT NULL,
    device_id    text NOT NULL,
    method       text COLLATE "C" NOT NULL,
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
    replaced     boolean NOT NULL DEFAULT false,
    CONSTRAINT transactions_states CHECK (state IN ('outstanding', 'signed', 'receipted', 'delivered', 'failed')),
    CONSTRAINT transactions_unfinished CHECK ((state = 'outstanding') = (finished IS NULL)),
    CONSTRAINT transactions_codeless CHECK ((state = 'outstanding') = (code = 0)),
    CONSTRAINT transactions_success CHECK ((state IN ('signed', 'receipted')) = (code = 500)),
    CONSTRAINT transactions_signature CHECK ((state IN ('signed', 'receipted')) = (signature IS NOT NULL)),
    CONSTRAINT transactions_delivery CHECK ((state = 'delivered') = (code = 100))
) PARTITION BY RANGE (ap_instant);

-- A signature does not compress, and digests hardly do: see 0001.
ALTER TABLE transactions
    ALTER COLUMN signature SET STORAGE EXTERNAL,
    ALTER COLUMN signed_attrs SET STORAGE EXTERNAL;

-- Receipts and evidence go with the partition of their transaction, so they need no
-- foreign key, which would have to name the time as well.
CREATE TABLE receipts (
    trans_id   text COLLATE "C" NOT NULL,
    ap_instant bigint NOT NULL,
    device_id  text COLLATE "C" NOT NULL,
    method     text NOT NULL,
    msisdn     text NOT NULL,
    lang       text NOT NULL,
    mime_type  text NOT NULL,
    text       text NOT NULL,
    created    bigint NOT NULL,
    expires    bigint NOT NULL,
    result     text NOT NULL, -- empty while pending
    finished   bigint,
    CONSTRAINT receipts_results CHECK (result IN ('', 'OK', 'CANCEL', 'TIMEOUT', 'LOST')),
    CONSTRAINT receipts_pending CHECK ((result = '') = (finished IS NULL))
) PARTITION BY RANGE (ap_instant);

CREATE TABLE verifications (
    trans_id   text COLLATE "C" NOT NULL,
    ap_instant bigint NOT NULL,
    evidence   text NOT NULL -- JSON
) PARTITION BY RANGE (ap_instant);

-- Rows whose time has no partition. There should be none.
CREATE TABLE transactions_default PARTITION OF transactions DEFAULT WITH (fillfactor = 75, toast_tuple_target = 8160);
CREATE TABLE receipts_default PARTITION OF receipts DEFAULT WITH (fillfactor = 75);
CREATE TABLE verifications_default PARTITION OF verifications DEFAULT;

-- The partitions apart from the default ones: of each of the three tables, TABLE_NAME
-- holds low <= ap_instant < high. The comment of a table says since when a
-- partition is complete, because its last request has ended, and whether it was exported.
CREATE VIEW partitions AS
SELECT name,
    CAST(substring(bound FROM 'FROM \(''(-?[0-9]+)') AS bigint) AS low,
    CAST(substring(bound FROM 'TO \(''(-?[0-9]+)') AS bigint) AS high,
    CAST(substring(note FROM '^complete since ([0-9]+)') AS bigint) AS complete,
    COALESCE(note LIKE '%, exported', false) AS exported
FROM (
    SELECT substr(c.relname, length('transactions_') + 1) AS name, pg_get_expr(c.relpartbound, c.oid) AS bound,
        obj_description(c.oid, 'pg_class') AS note
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = CAST('transactions' AS regclass)
) AS parts
WHERE bound <> 'DEFAULT';

-- Partitions for what there is: of an hour for the last day, of a day for the weeks before,
-- of four weeks for what is older.
DO $$
DECLARE
    hour    CONSTANT bigint := 3600000000;
    day     CONSTANT bigint := 24 * hour;
    month   CONSTANT bigint := 28 * day;
    latest  CONSTANT bigint := (SELECT max(ap_instant) FROM transactions_18);
    hourly  CONSTANT bigint := latest / day * day;
    daily   CONSTANT bigint := latest / month * month;
    part    record;
BEGIN
    FOR part IN
        SELECT low, low + width AS high, to_char(to_timestamp(low / 1000000) AT TIME ZONE 'UTC', 'YYYYMMDD"t"HH24MISS') AS name
        FROM (SELECT DISTINCT width, div(ap_instant, width)::bigint * width AS low
            FROM (SELECT ap_instant, CASE WHEN ap_instant >= hourly THEN hour WHEN ap_instant >= daily THEN day ELSE month END AS width
                FROM transactions_18 WHERE ap_instant >= 0) AS instants) AS parts
    LOOP
        EXECUTE format('CREATE TABLE transactions_%s PARTITION OF transactions FOR VALUES FROM (%s) TO (%s) WITH (fillfactor = 75, toast_tuple_target = 8160)', part.name, part.low, part.high);
        EXECUTE format('CREATE TABLE receipts_%s PARTITION OF receipts FOR VALUES FROM (%s) TO (%s) WITH (fillfactor = 75)', part.name, part.low, part.high);
        EXECUTE format('CREATE TABLE verifications_%s PARTITION OF verifications FOR VALUES FROM (%s) TO (%s)', part.name, part.low, part.high);
    END LOOP;
END $$;

INSERT INTO transactions (id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async,
    lang, mime_type, dtbd, services, signed_attrs, cert_serial, state, code, detail, signature, location, created,
    expires, finished, replaced)
SELECT id, ap_id, ap_trans_id, ap_instant, msisdn, msisdn_sent, device_id, method, profile, async,
    lang, mime_type, dtbd, services, signed_attrs, cert_serial, state, code, detail, signature, location, created,
    expires, finished, replaced
FROM transactions_18;

INSERT INTO receipts (trans_id, ap_instant, device_id, method, msisdn, lang, mime_type, text, created, expires, result, finished)
SELECT r.trans_id, t.ap_instant, r.device_id, r.method, r.msisdn, r.lang, r.mime_type, r.text, r.created, r.expires, r.result, r.finished
FROM receipts_18 r JOIN transactions_18 t ON t.id = r.trans_id;

INSERT INTO verifications (trans_id, ap_instant, evidence)
SELECT v.trans_id, t.ap_instant, v.evidence FROM verifications_18 v JOIN transactions_18 t ON t.id = v.trans_id;

INSERT INTO outstanding (id, ap_instant, msisdn, method, expires)
SELECT id, ap_instant, msisdn, method, expires FROM transactions_18 WHERE state = 'outstanding';

DROP TABLE receipts_18, verifications_18, transactions_18;

-- A unique index of a partitioned table has the column that divides it. An id is as good
-- as unique without it: it has 45 random bits for each millisecond. The Instant comes
-- first in neither: many requests may have the same one, and PostgreSQL must not be
-- tempted to find a row by it.
ALTER TABLE transactions
    ADD CONSTRAINT transactions_id PRIMARY KEY (id, ap_instant),
    ADD CONSTRAINT transactions_call UNIQUE (ap_id, ap_instant, ap_trans_id);
ALTER TABLE receipts ADD CONSTRAINT receipts_id PRIMARY KEY (trans_id, ap_instant);
ALTER TABLE verifications ADD CONSTRAINT verifications_id PRIMARY KEY (trans_id, ap_instant);

-- What a device has to answer, and what nobody answered in time. It is small.
CREATE INDEX receipts_pending_device ON receipts (device_id) WHERE result = '';

-- Room for the next version of a row on its page: a try of the passcode and each unlock
-- change a row of an App, each message that of a card.
ALTER TABLE apps SET (fillfactor = 80);
ALTER TABLE sim_cards SET (fillfactor = 80);
