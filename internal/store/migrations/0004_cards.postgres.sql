-- Keys are compared byte by byte: see 0001.
ALTER TABLE sim_cards
    DROP CONSTRAINT sim_cards_device;
ALTER TABLE sim_cards
    ALTER COLUMN iccid TYPE text COLLATE "C",
    ALTER COLUMN device_id TYPE text COLLATE "C";
ALTER TABLE sim_cards
    ADD CONSTRAINT sim_cards_device FOREIGN KEY (device_id) REFERENCES devices (id);

-- Counters change with each message and are in no index. Leave room for the new
-- version of a row on its page, so that no index changes with it.
ALTER TABLE sim_cards SET (fillfactor = 80);
