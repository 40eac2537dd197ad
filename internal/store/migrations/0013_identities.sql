-- How users recognise a party, and whether it may send receipts that only a card can
-- read. Parties that exist may; so may those that a program of the version before adds.
ALTER TABLE parties ADD COLUMN name text NOT NULL DEFAULT '';
ALTER TABLE parties ADD COLUMN logo text NOT NULL DEFAULT '';
ALTER TABLE parties ADD COLUMN encrypted_receipts boolean NOT NULL DEFAULT true;

-- The images by the SHA-256 of their octets. They never change.
CREATE TABLE logos (
    id  text NOT NULL,
    png bytea NOT NULL,
    CONSTRAINT logos_one PRIMARY KEY (id)
);
