-- What a rule asks for a TLS connection: a word, or nothing.
ALTER TABLE rule ADD COLUMN tls VARCHAR;
