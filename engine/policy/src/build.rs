//! `CompiledPolicy` to `Ruleset`.
