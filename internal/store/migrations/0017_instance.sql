-- The service to which the database belongs: one row. See mssp.Instance.
CREATE TABLE instance (
    one        bigint NOT NULL,
    id         text NOT NULL,
    created    bigint NOT NULL, -- microseconds since the epoch
    root_ca    text NOT NULL,
    master_key text NOT NULL,
    CONSTRAINT instance_one PRIMARY KEY (one),
    CHECK (one = 1)
);
