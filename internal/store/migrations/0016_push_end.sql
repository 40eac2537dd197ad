-- Why the last push subscription of an App ended, as JSON. Empty: it works as far as is
-- known, or there was none.
ALTER TABLE apps ADD COLUMN push_end text NOT NULL DEFAULT '';
