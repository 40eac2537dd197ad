-- Keys are compared byte by byte: see 0001.
ALTER TABLE logos ALTER COLUMN id TYPE text COLLATE "C";
