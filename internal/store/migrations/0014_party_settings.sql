-- Settings of a party: whether its receipts may start without its prefix, and whether it
-- gets subject names in Base64. The defaults are what versions before this one do.
ALTER TABLE parties ADD COLUMN unprefixed_receipts boolean NOT NULL DEFAULT false;
ALTER TABLE parties ADD COLUMN subject_name_base64 boolean NOT NULL DEFAULT false;
