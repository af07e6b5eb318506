//! The canonical path and query.
