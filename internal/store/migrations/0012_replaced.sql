-- A transaction that a newer one replaced ends like one that its user cancelled; the
-- history of the account tells them apart.
ALTER TABLE transactions ADD COLUMN replaced boolean NOT NULL DEFAULT false;
