//! What of a connection does not fit together: `kinds` says when each anomaly is there, `scripts` looks
//! at the letters of a name.

mod kinds;
mod scripts;

pub use kinds::fronting;
