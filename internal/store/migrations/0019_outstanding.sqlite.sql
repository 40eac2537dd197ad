-- What PostgreSQL has as a table. The partial indexes find its rows.
CREATE VIEW outstanding AS
    SELECT id, ap_instant, msisdn, method, expires FROM transactions WHERE state = 'outstanding';

-- As on PostgreSQL, where it finds the partition.
ALTER TABLE receipts ADD COLUMN ap_instant bigint NOT NULL DEFAULT 0;
ALTER TABLE verifications ADD COLUMN ap_instant bigint NOT NULL DEFAULT 0;
UPDATE receipts SET ap_instant = (SELECT ap_instant FROM transactions WHERE id = trans_id);
UPDATE verifications SET ap_instant = (SELECT ap_instant FROM transactions WHERE id = trans_id);
