//! The view of a lenient origin.
