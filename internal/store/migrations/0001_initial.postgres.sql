-- Keys are compared byte by byte, as SQLite does, whatever the collation of
-- the database: the order of ids is the same on both engines, and an index
-- insertion costs a memcmp instead of a strcoll.
ALTER TABLE parties
    ALTER COLUMN id TYPE text COLLATE "C";
ALTER TABLE devices
    DROP CONSTRAINT devices_msisdn_fkey,
    DROP CONSTRAINT devices_cert_serial_fkey;
ALTER TABLE certificates
    ALTER COLUMN serial TYPE text COLLATE "C";
ALTER TABLE subscribers
    ALTER COLUMN msisdn TYPE text COLLATE "C";
ALTER TABLE devices
    ALTER COLUMN id TYPE text COLLATE "C",
    ALTER COLUMN msisdn TYPE text COLLATE "C",
    ALTER COLUMN cert_serial TYPE text COLLATE "C";
ALTER TABLE devices
    ADD CONSTRAINT devices_msisdn_fkey FOREIGN KEY (msisdn) REFERENCES subscribers (msisdn) ON DELETE CASCADE,
    ADD CONSTRAINT devices_cert_serial_fkey FOREIGN KEY (cert_serial) REFERENCES certificates (serial);
ALTER TABLE transactions
    ALTER COLUMN id TYPE text COLLATE "C",
    ALTER COLUMN ap_id TYPE text COLLATE "C",
    ALTER COLUMN ap_trans_id TYPE text COLLATE "C",
    ALTER COLUMN msisdn TYPE text COLLATE "C",
    ALTER COLUMN method TYPE text COLLATE "C";

-- A signature does not compress, and digests hardly do: trying costs more than
-- it saves, and so does moving them out of a row that fits its page.
ALTER TABLE transactions
    ALTER COLUMN signature SET STORAGE EXTERNAL,
    ALTER COLUMN signed_attrs SET STORAGE EXTERNAL,
    SET (toast_tuple_target = 8160);
