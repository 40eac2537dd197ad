-- The name of the profile that says how a card is reached; '' is the default. The index
-- finds the names in use.
ALTER TABLE sim_cards ADD COLUMN profile text NOT NULL DEFAULT '';
CREATE INDEX sim_cards_profiles ON sim_cards (profile) WHERE profile <> '';
