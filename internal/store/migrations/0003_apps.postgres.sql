-- Keys are compared byte by byte: see 0001.
ALTER TABLE apps
    DROP CONSTRAINT apps_device;
ALTER TABLE apps
    ALTER COLUMN device_id TYPE text COLLATE "C";
ALTER TABLE apps
    ADD CONSTRAINT apps_device FOREIGN KEY (device_id) REFERENCES devices (id) ON DELETE CASCADE;
ALTER TABLE invites
    ALTER COLUMN msisdn TYPE text COLLATE "C";
ALTER TABLE receipts
    ALTER COLUMN device_id TYPE text COLLATE "C";
