//! Signals as values that the main thread waits for.
//!
//! INVARIANT: signals are blocked before the first thread starts, so that every thread inherits the
//! mask and none of them is interrupted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use tokio::sync::oneshot;

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: answer what is in flight, then end.
    Stop(Signal),
    /// SIGHUP: reload the policy, reopen the log file.
    Reload,
    /// SIGUSR2: answer what is in flight, then execute the program anew.
    Restart,
    /// No signal: the time is up, or the other thing that was waited for has come.
    Nothing,
}

/// Asks for a reload of the next run: the signals are blocked, so this one waits through the restart.
///
/// # Errors
///
/// Where the system does not let a process signal itself.
pub fn ask_again() -> io::Result<()> {
    kill(Pid::this(), Signal::SIGHUP).map_err(Into::into)
}

/// Whether a restart begins, or why not.
type Restarts = Result<(), String>;

/// Where operators ask for a restart in place: by the signal that asks for one from outside, and with an
/// answer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct RestartDesk(Arc<Mutex<Vec<oneshot::Sender<Restarts>>>>);

impl RestartDesk {
    /// Asks for one.
    ///
    /// # Errors
    ///
    /// Where the system does not let a process signal itself.
    pub fn ask(&self) -> io::Result<oneshot::Receiver<Restarts>> {
        let (answer, comes) = oneshot::channel();
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever gave up waiting takes no room.
        waiting.retain(|asker| !asker.is_closed());
        waiting.push(answer);
        drop(waiting);
        kill(Pid::this(), Signal::SIGUSR2)?;
        Ok(comes)
    }

    /// Tells all who asked.
    pub fn answer(&self, restarts: &Restarts) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for asker in waiting {
            drop(asker.send(restarts.clone()));
        }
    }
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
        let set: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2]
            .into_iter()
            .collect();
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// Waits for the next signal, until `other` can be read where there is one, and for `patience` at
    /// most.
    ///
    /// # Errors
    ///
    /// When the signals cannot be read any more.
    pub fn wait(
        &self,
        other: Option<BorrowedFd<'_>>,
        patience: Option<Duration>,
    ) -> io::Result<Asked> {
        // Rounded up: waking a little late beats spinning until the moment has come.
        let patience = patience.map_or(PollTimeout::NONE, |patience| {
            let millis = patience.saturating_add(Duration::from_micros(999)).as_millis();
            i32::try_from(millis)
                .ok()
                .and_then(|millis| PollTimeout::try_from(millis).ok())
                .unwrap_or(PollTimeout::MAX)
        });
        let first = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
        // Without another the signals are waited for twice, which changes nothing.
        let second = PollFd::new(other.unwrap_or_else(|| self.0.as_fd()), PollFlags::POLLIN);
        match poll(&mut [first, second], patience) {
            Ok(_) | Err(Errno::EINTR) => self.next(),
            Err(fault) => Err(fault.into()),
        }
    }

    fn next(&self) -> io::Result<Asked> {
        while let Some(info) = self.0.read_signal()? {
            let number = i32::try_from(info.ssi_signo).unwrap_or_default();
            match Signal::try_from(number) {
                Ok(Signal::SIGHUP) => return Ok(Asked::Reload),
                Ok(Signal::SIGUSR2) => return Ok(Asked::Restart),
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT)) => return Ok(Asked::Stop(signal)),
                // Only the four above are in the set.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(Asked::Nothing)
    }
}
