//! The process: signals as values that the main thread waits for.
//!
//! Daemon mode, the pid file and the diagnostic file come later.
//!
//! INVARIANT: signals are blocked before the first thread starts, so that every thread inherits the
//! mask and none of them is interrupted.

use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: answer what is in flight, then end.
    Stop(Signal),
    /// SIGHUP: reload the policy, reopen the log file.
    Reload,
}

/// The signals that the engine listens to.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals in this thread and all that it starts.
    ///
    /// # Errors
    ///
    /// When the system has no file descriptor left.
    pub fn block() -> io::Result<Self> {
        let set: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    ///
    /// When the signals cannot be read any more.
    pub fn wait(&self) -> io::Result<Asked> {
        loop {
            let Some(info) = self.0.read_signal()? else { continue };
            let number = i32::try_from(info.ssi_signo).unwrap_or_default();
            match Signal::try_from(number) {
                Ok(Signal::SIGHUP) => return Ok(Asked::Reload),
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT)) => return Ok(Asked::Stop(signal)),
                // Only the three above are in the set.
                Ok(_) | Err(_) => {}
            }
        }
    }
}
