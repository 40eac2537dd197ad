-- The CA that issued a certificate, so that each CA can list its own revocations.
-- A program of the version before leaves it empty; then the DER tells.
ALTER TABLE certificates ADD COLUMN issuer text NOT NULL DEFAULT '';
