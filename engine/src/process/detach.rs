//! Daemon mode: the double fork, and the wait of the first process for the word that all is well.
//!
//! The process that was started ends only once the daemon can answer, with 0, or has failed, with the
//! daemon's own status: as `Type=forking` and init scripts expect. Until then the daemon says its
//! faults on the caller's standard error; from then on it has neither input, output nor terminal.
//!
//! INVARIANT: it happens before the first thread starts; `raw::fork` refuses otherwise.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::raw;

/// Why the engine cannot detach.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} to become a daemon; without `-D` the engine runs in the foreground")]
pub struct DetachFault {
    action: &'static str,
    #[source]
    source: io::Error,
}

fn fault<E: Into<io::Error>>(action: &'static str) -> impl Fn(E) -> DetachFault {
    move |source| DetachFault { action, source: source.into() }
}

/// Which of the processes this is.
#[derive(Debug)]
pub enum Detached {
    /// The one that was started; the daemon is ready or has failed, and this is how to end.
    Caller(ExitCode),
    /// The daemon.
    Daemon(Caller),
}

/// The way to the process that waits for word. Dropped, it counts as a failure.
#[derive(Debug)]
pub struct Caller(File);

impl Caller {
    /// Says that the daemon can answer, and lets go of the caller's input and output.
    ///
    /// # Errors
    ///
    /// Where the system cannot open `/dev/null`.
    pub fn ready(mut self) -> io::Result<()> {
        let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&nothing)?;
        dup2_stdout(&nothing)?;
        dup2_stderr(&nothing)?;
        // Whoever does not wait any more need not hear it.
        drop(self.0.write_all(&[0]));
        Ok(())
    }
}

/// Goes into the background.
///
/// # Errors
///
/// [`DetachFault`]; nothing has changed then.
pub fn detach() -> Result<Detached, DetachFault> {
    let (word, speaker) = pipe2(OFlag::O_CLOEXEC).map_err(fault("make a pipe"))?;
    match raw::fork().map_err(fault("fork"))? {
        ForkResult::Parent { child } => {
            drop(speaker);
            let between = waitpid(child, None).map_err(fault("wait for the child"));
            let mut status = [0];
            let heard = File::from(word).read(&mut status);
            between?;
            let [status] = status;
            // No word: the daemon ended, and has said why on standard error.
            let ready = matches!(heard, Ok(1)) && status == 0;
            Ok(Detached::Caller(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
        }
        ForkResult::Child => {
            drop(word);
            setsid().map_err(fault("leave the session"))?;
            // Not the session's first process any more: no terminal can become its own.
            if let ForkResult::Parent { .. } = raw::fork().map_err(fault("fork"))? {
                raw::leave(0);
            }
            chdir("/").map_err(fault("go to `/`"))?;
            Ok(Detached::Daemon(Caller(speaker.into())))
        }
    }
}
