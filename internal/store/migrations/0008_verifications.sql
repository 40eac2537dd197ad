-- The request that an App unlocked last, and how its user was verified: JSON, or empty.
ALTER TABLE apps ADD COLUMN unlocked text NOT NULL DEFAULT '';

-- The evidence that the user was verified, for each signature of an App. It is written
-- when the transaction ends and deleted with it.
CREATE TABLE verifications (
    trans_id text NOT NULL CONSTRAINT verifications_id PRIMARY KEY
        CONSTRAINT verifications_transaction REFERENCES transactions (id) ON DELETE CASCADE,
    evidence text NOT NULL -- JSON
);
