-- What a rule excepts, when it counts, and whether it only monitors. What stood there before excepts
-- nothing, always counts and gives verdicts.
ALTER TABLE rule ADD COLUMN exceptions VARCHAR;
ALTER TABLE rule ADD COLUMN validity VARCHAR;
ALTER TABLE rule ADD COLUMN mode VARCHAR;
