//! Ctrl-C and SIGTERM set a flag here, so that whoever runs ends by the ordinary way and stops what it
//! started.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail};
use nix::libc::{SIGINT, SIGTERM};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on, Ctrl-C and SIGTERM only set the flag; once is enough for a process.
///
/// # Errors
///
/// If the system refuses the handler.
pub fn catch() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot catch Ctrl-C")?;
    }
    Ok(())
}

/// Whether one of them came.
#[must_use]
pub fn came() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Ends what is going on where one of them came.
///
/// # Errors
///
/// If one of them came.
pub fn check() -> Result<()> {
    if came() {
        bail!("interrupted");
    }
    Ok(())
}
