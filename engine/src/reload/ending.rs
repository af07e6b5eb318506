//! The word that the engine ends, for a reload that should not be waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ReloadFault;

/// Whether the engine ends. A reload looks between its steps, and changes nothing once it does.
#[derive(Debug, Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Says that the engine ends. It cannot be taken back.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was said.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Gives up where it was said.
    ///
    /// # Errors
    ///
    /// [`ReloadFault::Ending`]
    pub fn check(&self) -> Result<(), ReloadFault> {
        if self.has_begun() { Err(ReloadFault::Ending) } else { Ok(()) }
    }
}
