-- A device that has ended is not one that waits for its activation, nor one whose card is
-- blocked for a while.
ALTER TABLE devices ADD COLUMN ended text NOT NULL DEFAULT ''; -- why; empty unless it has ended
ALTER TABLE devices ADD COLUMN ended_at bigint;
UPDATE devices SET ended = 'unknown' WHERE state = 'INACTIVE'
    AND NOT EXISTS (SELECT 1 FROM sim_cards c WHERE c.device_id = devices.id AND c.state = 'BLOCKED');

-- Whether a certificate has ever named the serial of the account, so that parties may
-- know the user by it. Of older accounts nobody can tell any more.
ALTER TABLE subscribers ADD COLUMN serial_known boolean NOT NULL DEFAULT true;
