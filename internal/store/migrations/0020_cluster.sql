-- What several nodes on one database share. The tables of the nodes themselves are on
-- PostgreSQL only: see NAME.postgres.sql.

-- Small values that expire: one row for each kind and key.
CREATE TABLE shared_values (
    kind    text NOT NULL,
    key     text NOT NULL,
    value   bytea NOT NULL,
    expires bigint NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX shared_values_expires ON shared_values (expires);

-- Requests to SIM cards that are still open after their first repetition, or that a node
-- left when it stopped, so that another node can go on with them.
CREATE TABLE sim_outbox (
    trans_id  text NOT NULL PRIMARY KEY,
    device_id text NOT NULL,
    msisdn    text NOT NULL,
    op        bigint NOT NULL,
    step      bigint NOT NULL, -- never goes back
    state     text NOT NULL, -- JSON
    expires   bigint NOT NULL
);
CREATE INDEX sim_outbox_msisdn ON sim_outbox (msisdn);
CREATE INDEX sim_outbox_expires ON sim_outbox (expires);
