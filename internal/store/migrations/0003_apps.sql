-- Enrolled Apps, and what an enrolment needs.

-- SHA-256. Without one, a recovery code can be known to exist; not the reverse.
ALTER TABLE subscribers ADD COLUMN recovery_hash bytea
    CONSTRAINT subscribers_recovery CHECK (recovery_hash IS NULL OR length(recovery_hash) = 32 AND recovery_code);

-- An App is deleted with its device.
CREATE TABLE apps (
    device_id     text NOT NULL CONSTRAINT apps_id PRIMARY KEY
        CONSTRAINT apps_device REFERENCES devices (id) ON DELETE CASCADE,
    auth_key      bytea NOT NULL,
    verifier_hash bytea NOT NULL,
    share         bytea NOT NULL,
    tries_left    bigint NOT NULL,
    name          text NOT NULL,
    version       text NOT NULL,
    platform      text NOT NULL,
    push          text NOT NULL, -- JSON
    passkeys      text NOT NULL, -- JSON
    enrolled      bigint NOT NULL,
    last_seen     bigint NOT NULL,
    CONSTRAINT apps_verifier CHECK (length(verifier_hash) = 32),
    CONSTRAINT apps_tries CHECK (tries_left >= 0)
);

-- A subscriber has at most one, the latest. Like a transaction it does not
-- reference the subscriber: the enrolment checks that there is one.
CREATE TABLE invites (
    msisdn    text NOT NULL CONSTRAINT invites_msisdn PRIMARY KEY,
    code_hash bytea NOT NULL CONSTRAINT invites_code UNIQUE,
    trusted   boolean NOT NULL,
    created   bigint NOT NULL,
    expires   bigint NOT NULL,
    CONSTRAINT invites_hash CHECK (length(code_hash) = 32)
);

-- Purge.
CREATE INDEX invites_expires ON invites (expires);

-- What a device has to answer. Outstanding transactions need no other index: the
-- one on subscriber and method leads to them.
CREATE INDEX receipts_pending_device ON receipts (device_id) WHERE result = '';
