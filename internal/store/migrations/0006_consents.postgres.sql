-- Keys are compared byte by byte: see 0001.
ALTER TABLE consents
    ALTER COLUMN msisdn TYPE text COLLATE "C",
    ALTER COLUMN kind TYPE text COLLATE "C",
    ALTER COLUMN subject TYPE text COLLATE "C",
    ALTER COLUMN device_id TYPE text COLLATE "C";
