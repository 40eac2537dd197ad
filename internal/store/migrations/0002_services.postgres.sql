-- Keys are compared byte by byte: see 0001.
ALTER TABLE receipts
    DROP CONSTRAINT receipts_transaction;
ALTER TABLE transactions
    ALTER COLUMN id TYPE text COLLATE "C",
    ALTER COLUMN ap_id TYPE text COLLATE "C",
    ALTER COLUMN ap_trans_id TYPE text COLLATE "C",
    ALTER COLUMN msisdn TYPE text COLLATE "C",
    ALTER COLUMN method TYPE text COLLATE "C";
ALTER TABLE receipts
    ALTER COLUMN trans_id TYPE text COLLATE "C";
ALTER TABLE receipts
    ADD CONSTRAINT receipts_transaction FOREIGN KEY (trans_id) REFERENCES transactions (id) ON DELETE CASCADE;

-- A signature does not compress, and digests hardly do: see 0001.
ALTER TABLE transactions
    ALTER COLUMN signature SET STORAGE EXTERNAL,
    ALTER COLUMN signed_attrs SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);
