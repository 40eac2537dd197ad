-- Keys are compared byte by byte: see 0001.
ALTER TABLE verifications
    DROP CONSTRAINT verifications_transaction;
ALTER TABLE verifications
    ALTER COLUMN trans_id TYPE text COLLATE "C";
ALTER TABLE verifications
    ADD CONSTRAINT verifications_transaction FOREIGN KEY (trans_id) REFERENCES transactions (id) ON DELETE CASCADE;
