//! The path from files to a ruleset, on a disk of its own.
