//! List files to entries.
