//! One request to its candidate rules.
