-- Keys are compared byte by byte: see 0001.
ALTER TABLE notices
    ALTER COLUMN id TYPE text COLLATE "C",
    ALTER COLUMN msisdn TYPE text COLLATE "C";
