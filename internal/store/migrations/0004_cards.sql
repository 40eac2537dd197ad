-- SIM cards: their devices, their keys, and the counters of secured packets.

-- A card outlives its device, because its keys and counters must be kept. So there
-- is no cascade: the statement that deletes the device of a SIM must retire its
-- card first.
CREATE TABLE sim_cards (
    iccid         text NOT NULL CONSTRAINT sim_cards_iccid PRIMARY KEY,
    device_id     text CONSTRAINT sim_cards_one UNIQUE CONSTRAINT sim_cards_device REFERENCES devices (id),
    state         text NOT NULL,
    key_set       bigint NOT NULL,
    algorithm     text NOT NULL,
    kic           bytea NOT NULL, -- wrapped
    kid           bytea NOT NULL, -- wrapped
    counter       bigint NOT NULL, -- last one used towards the card
    reply_counter bigint NOT NULL, -- highest one used by the card
    reply_seen    bigint NOT NULL, -- 64 bits: those below that were used
    created       bigint NOT NULL,
    changed       bigint NOT NULL,
    CONSTRAINT sim_cards_states CHECK (state IN ('ACTIVE', 'BLOCKED', 'RETIRED', 'STOCK')),
    CONSTRAINT sim_cards_placed CHECK ((state IN ('ACTIVE', 'BLOCKED')) = (device_id IS NOT NULL)),
    CONSTRAINT sim_cards_key_set CHECK (key_set BETWEEN 1 AND 15),
    CONSTRAINT sim_cards_algorithms CHECK (algorithm IN ('AES', '3DES')),
    CONSTRAINT sim_cards_keys CHECK (length(kic) > 0 AND length(kid) > 0),
    CONSTRAINT sim_cards_counter CHECK (counter BETWEEN 0 AND 1099511627775),
    CONSTRAINT sim_cards_reply CHECK (reply_counter BETWEEN 0 AND 1099511627775)
);
