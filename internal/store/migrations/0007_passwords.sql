-- AP_PWD as an argon2id hash. password_hash held an unsalted SHA-256; no command
-- has ever set it. A party that has one stays refused until its AP_PWD is set again.
ALTER TABLE parties ADD COLUMN ap_pwd text NOT NULL DEFAULT '';
UPDATE parties SET ap_pwd = 'unsalted' WHERE password_hash IS NOT NULL;
