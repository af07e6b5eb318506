//! Faults in policy files: code, place, message, help.
