//! Waiting for what other processes do: by asking again until a deadline, never by a fixed sleep.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Long enough for a loaded machine, short enough that a failure is seen.
pub const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it gives a value.
///
/// # Errors
///
/// If `limit` passes first, Ctrl-C is pressed, or the probe fails.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe()? {
            return Ok(value);
        }
        crate::interrupt::check()?;
        if start.elapsed() >= limit {
            bail!("{what}: not within {:.1} s", limit.as_secs_f64());
        }
        std::thread::sleep(PAUSE);
    }
}
