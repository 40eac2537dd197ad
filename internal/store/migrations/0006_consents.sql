-- What the owner of an account has allowed, each once. Like an invite, a consent does
-- not reference the subscriber. It names the device that signed it, which may be gone:
-- then it no longer counts.
CREATE TABLE consents (
    msisdn    text NOT NULL,
    kind      text NOT NULL,
    subject   text NOT NULL, -- device, empty for a kind without a subject
    device_id text NOT NULL, -- that signed, empty if none did
    trans_id  text NOT NULL,
    given     bigint NOT NULL,
    expires   bigint NOT NULL,
    CONSTRAINT consents_one PRIMARY KEY (msisdn, kind, subject)
);

-- Purge.
CREATE INDEX consents_expires ON consents (expires);
