-- The compiled policy. Tables are replaced whole in one transaction, so they carry no keys or
-- indexes: DuckDB's indexes on churned tables are behind many of its fatal errors.
CREATE TABLE rule (
    id          UINTEGER NOT NULL,
    name        VARCHAR  NOT NULL,
    file        VARCHAR  NOT NULL,
    line        UINTEGER NOT NULL,
    action      VARCHAR  NOT NULL,
    description VARCHAR,
    category    VARCHAR,
    conditions  VARCHAR  NOT NULL
);
CREATE TABLE list (
    position    UINTEGER NOT NULL,
    path        VARCHAR  NOT NULL,
    kind        VARCHAR  NOT NULL,
    source      VARCHAR  NOT NULL,
    set_digest  VARCHAR  NOT NULL,
    entries     UBIGINT  NOT NULL
);
CREATE TABLE revision (
    number         UBIGINT NOT NULL,
    digest         VARCHAR NOT NULL,
    default_action VARCHAR NOT NULL,
    compiled_us    BIGINT  NOT NULL,
    rules          UBIGINT NOT NULL,
    lists          UBIGINT NOT NULL
);
