-- The oldest version whose programs can use the schema once this version is reached. A
-- program that knows less than the newest version here still starts, if no row names a
-- higher version than its own in this column.
ALTER TABLE signum_schema ADD COLUMN min_compatible bigint NOT NULL DEFAULT 0;
