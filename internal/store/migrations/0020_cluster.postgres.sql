ALTER TABLE shared_values ALTER COLUMN kind TYPE text COLLATE "C", ALTER COLUMN key TYPE text COLLATE "C";
ALTER TABLE sim_outbox ALTER COLUMN trans_id TYPE text COLLATE "C", ALTER COLUMN msisdn TYPE text COLLATE "C";

-- A row for each node since its start. Times are those of the database.
CREATE TABLE nodes (
    id      text COLLATE "C" NOT NULL PRIMARY KEY, -- random, another one for each start
    name    text NOT NULL, -- of its place: the same after a restart
    address text NOT NULL,
    version text NOT NULL,
    slot    bigint NOT NULL, -- from 0, unique among the nodes that are not fenced
    started bigint NOT NULL,
    beat    bigint NOT NULL,
    fenced  boolean NOT NULL DEFAULT false -- others took over what it owned
);
CREATE UNIQUE INDEX nodes_slot ON nodes (slot) WHERE NOT fenced;

-- Work that one node at a time does.
CREATE TABLE leases (
    name    text COLLATE "C" NOT NULL PRIMARY KEY,
    owner   text NOT NULL,
    epoch   bigint NOT NULL, -- grows with each owner
    expires bigint NOT NULL
);

-- The node that sends the request to the phone. Empty: a program of the version before
-- inserted it.
ALTER TABLE outstanding ADD COLUMN owner text COLLATE "C" NOT NULL DEFAULT '';

-- The parts of messages from SIM cards that arrived at several nodes.
CREATE TABLE sms_parts (
    msisdn  text COLLATE "C" NOT NULL,
    ref     bigint NOT NULL,
    total   bigint NOT NULL,
    seq     bigint NOT NULL,
    body    bytea NOT NULL,
    arrived bigint NOT NULL,
    PRIMARY KEY (msisdn, ref, total, seq)
);
CREATE INDEX sms_parts_arrived ON sms_parts (arrived);
