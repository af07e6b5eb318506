//! A pure walk over policy files.
