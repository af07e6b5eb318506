//! `CheckedPolicy` and lists to `CompiledPolicy`: what the store keeps.
