//! A sign of life while the engine works: on a terminal a turning stroke and the seconds, elsewhere nothing.

use std::io::{self, Write as _};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the stroke turns.
const TURN: Duration = Duration::from_millis(200);

/// What is quicker than this shows nothing.
const QUIET: Duration = Duration::from_millis(300);

const STROKES: [char; 4] = ['|', '/', '-', '\\'];

/// Whether progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Standard error is a terminal.
    Shown,
    /// Anything else.
    Hidden,
}

/// Shows progress until it is dropped.
#[derive(Debug)]
pub(super) struct Working(Option<(SyncSender<()>, JoinHandle<()>)>);

impl Progress {
    /// Begins to show that something is done.
    pub(super) fn begin(self, what: &'static str) -> Working {
        match self {
            Self::Hidden => Working(None),
            Self::Shown => {
                let (stop, stopped) = sync_channel(1);
                let turning = thread::spawn(move || {
                    let begun = Instant::now();
                    let mut strokes = STROKES.iter().cycle();
                    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TURN) {
                        let elapsed = begun.elapsed();
                        if elapsed < QUIET {
                            continue;
                        }
                        let stroke = strokes.next().copied().unwrap_or_default();
                        let mut err = io::stderr().lock();
                        // Nobody is left to be told.
                        drop(write!(err, "\r{stroke} {what}, {} s\u{1b}[K", elapsed.as_secs()));
                        drop(err.flush());
                    }
                    if begun.elapsed() >= QUIET {
                        drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
                    }
                });
                Working(Some((stop, turning)))
            }
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some((stop, turning)) = self.0.take() {
            drop(stop);
            drop(turning.join());
        }
    }
}
