//! User-info, host and port.
