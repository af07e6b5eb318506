//! Where lines go: a file that SIGHUP reopens, standard error, or syslog, behind a bounded queue.
//!
//! Whoever logs only puts a line into the queue; a thread of its own writes it, so that a log that
//! stalls holds up nobody. Where the queue is full the line is dropped and counted, and the count is
//! logged once there is room again.
//!
//! INVARIANT: nothing that is called while logging waits, neither for the disk nor for a lock.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};

use super::logging::LogType;
use super::syslog::Syslog;

/// Lines may hold URLs and users at debug: the world does not read them.
const LOG_MODE: u32 = 0o640;

/// Lines that may wait to be written: a whole batch of requests at debug, and below a megabyte of
/// ordinary lines in a program that shall stay small.
const QUEUE_LINES_MAX: usize = 4096;

/// How long the end of the program waits for lines to be written: a disk that has not taken them by
/// then is stuck, and a program that was asked to end must end.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogFault {
    /// The file cannot be opened.
    #[error("cannot open the log file `{path}`", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The thread that writes cannot be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// Where lines go, for the program to keep: dropped, it waits until the lines are written, for a
/// second at most.
#[must_use = "dropped at once, it is not there at the end to wait for the last lines"]
#[derive(Debug)]
pub struct Sink {
    target: Target,
    state: Arc<State>,
}

#[derive(Debug)]
enum Target {
    Console,
    File(PathBuf),
    Syslog,
}

/// What those who log, the writer and the sink share.
#[derive(Debug, Default)]
struct State {
    /// Lines that came into the queue.
    queued: AtomicU64,
    /// Lines that did not, and were not yet told of.
    dropped: AtomicU64,
    /// Lines that left the queue, and a call for whoever waits for them.
    written: Mutex<u64>,
    progress: Condvar,
    /// The file that was opened anew and that the next line goes to.
    fresh: Mutex<Option<File>>,
}

/// The way into the queue, for whoever logs.
#[derive(Debug)]
pub(super) struct Queue {
    lines: SyncSender<String>,
    state: Arc<State>,
}

impl Queue {
    /// Takes one line, whole; drops it where the log is behind. Never waits.
    pub(super) fn push(&self, line: String) {
        let counter = match self.lines.try_send(line) {
            Ok(()) => &self.state.queued,
            Err(_) => &self.state.dropped,
        };
        counter.fetch_add(1, Ordering::AcqRel);
    }
}

impl Sink {
    /// The sink of a configuration and the way into it; the log file's folder is made where it is
    /// missing. `lost` makes the line that tells how many lines were dropped.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, or no thread started.
    pub(super) fn open(
        kind: &LogType,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> Result<(Self, Queue), LogFault> {
        match kind {
            LogType::File(path) => {
                let path = path.clone();
                let file =
                    open(&path).map_err(|source| LogFault::File { path: path.clone(), source })?;
                Self::start(Target::File(path), Output::File(file), lost)
            }
            LogType::Console => Self::start(Target::Console, Output::Console, lost),
            LogType::Syslog(path) => {
                let output = Output::Syslog(Syslog::at(path.clone()));
                Self::start(Target::Syslog, output, lost)
            }
        }
    }

    fn start(
        target: Target,
        output: impl Deliver + Send + 'static,
        lost: impl Fn(u64) -> String + Send + 'static,
    ) -> Result<(Self, Queue), LogFault> {
        let (lines, inbox) = sync_channel(QUEUE_LINES_MAX);
        let state = Arc::new(State::default());
        let writer = Writer { output, inbox, state: Arc::clone(&state), lost };
        spawn_without_signals(move || writer.run()).map_err(LogFault::Thread)?;
        Ok((Self { target, state: Arc::clone(&state) }, Queue { lines, state }))
    }

    /// Opens the log file anew, after it was moved away. On failure the old one stays.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn reopen(&self) -> io::Result<()> {
        match &self.target {
            Target::Console | Target::Syslog => Ok(()),
            Target::File(path) => {
                let fresh = open(path)?;
                *self.state.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                Ok(())
            }
        }
    }

    /// Whether people see lines as they come.
    #[must_use]
    pub const fn is_console(&self) -> bool {
        match &self.target {
            Target::Console => true,
            Target::File(_) | Target::Syslog => false,
        }
    }

    /// Waits until what was logged so far is written, for a second at most: before an end that
    /// drops nothing.
    pub fn catch_up(&self) {
        self.flush(FLUSH_MAX);
    }

    /// Waits until what was logged so far is written, for `patience` at most.
    fn flush(&self, patience: Duration) {
        let wanted = self.state.queued.load(Ordering::Acquire);
        let written = self.state.written.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it came so far or not, the program ends now.
        drop(self.state.progress.wait_timeout_while(written, patience, |done| *done < wanted));
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.flush(FLUSH_MAX);
    }
}

/// Starts the writer with all signals blocked, whatever its maker's mask is: a signal that is meant
/// for the program must not end it by way of this thread.
fn spawn_without_signals(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let spawned = std::thread::Builder::new().name("log".to_owned()).spawn(run);
    before.thread_set_mask()?;
    spawned.map(drop)
}

/// The thread that writes.
struct Writer<W, L> {
    output: W,
    inbox: Receiver<String>,
    state: Arc<State>,
    lost: L,
}

impl<W: Deliver, L: Fn(u64) -> String> Writer<W, L> {
    fn run(mut self) {
        while let Ok(line) = self.inbox.recv() {
            let fresh = self.state.fresh.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(file) = fresh {
                self.output.renew(file);
            }
            // A log that cannot be written stops nothing; what it missed it is told of later.
            if self.output.deliver(&line).is_err() {
                self.state.dropped.fetch_add(1, Ordering::AcqRel);
            } else {
                self.tell_lost();
            }
            *self.state.written.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.state.progress.notify_all();
        }
    }

    fn tell_lost(&mut self) {
        let dropped = self.state.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 && self.output.deliver(&(self.lost)(dropped)).is_err() {
            self.state.dropped.fetch_add(dropped, Ordering::AcqRel);
        }
    }
}

/// What the writer writes to.
#[derive(Debug)]
enum Output {
    Console,
    File(File),
    Syslog(Syslog),
}

/// Takes lines, whole.
trait Deliver {
    /// Takes a line.
    fn deliver(&mut self, line: &str) -> io::Result<()>;

    /// Goes over to a file that was opened anew.
    fn renew(&mut self, file: File);
}

impl Deliver for Output {
    fn deliver(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Console => io::stderr().lock().write_all(line.as_bytes()),
            Self::File(file) => file.write_all(line.as_bytes()),
            Self::Syslog(syslog) => syslog.send(line),
        }
    }

    fn renew(&mut self, file: File) {
        *self = Self::File(file);
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(LOG_MODE).open(path)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A log in memory whose writing waits for a lock.
    #[derive(Debug, Clone, Default)]
    struct Stalling {
        gate: Arc<Mutex<()>>,
        text: Arc<Mutex<String>>,
    }

    impl Deliver for Stalling {
        fn deliver(&mut self, line: &str) -> io::Result<()> {
            drop(self.gate.lock().unwrap());
            self.text.lock().unwrap().push_str(line);
            Ok(())
        }

        fn renew(&mut self, _: File) {}
    }

    fn start(output: &Stalling) -> (Sink, Queue) {
        Sink::start(Target::Console, output.clone(), |count| format!("lost {count}\n")).unwrap()
    }

    #[test]
    fn a_log_that_stalls_holds_up_nobody_and_what_is_dropped_is_counted() {
        let log = Stalling::default();
        let (sink, queue) = start(&log);
        let stalled = log.gate.lock().unwrap();
        let more = 1000;
        for number in 0..QUEUE_LINES_MAX + more {
            queue.push(format!("{number}\n"));
        }
        // The writer may hold one line in its hand.
        let dropped = sink.state.dropped.load(Ordering::Acquire);
        assert!([more, more - 1].contains(&usize::try_from(dropped).unwrap()), "{dropped}");
        assert_eq!(log.text.lock().unwrap().as_str(), "");
        drop(stalled);
        drop(sink);
        let text = log.text.lock().unwrap();
        assert!(text.starts_with(&format!("0\nlost {dropped}\n1\n")), "{text}");
        let whole = QUEUE_LINES_MAX + more + 1 - usize::try_from(dropped).unwrap();
        assert_eq!(text.lines().count(), whole);
    }

    #[test]
    fn the_end_waits_for_lines_but_not_for_ever() {
        let log = Stalling::default();
        let (sink, queue) = start(&log);
        let stalled = log.gate.lock().unwrap();
        queue.push("late\n".to_owned());
        let began = Instant::now();
        sink.flush(Duration::from_millis(20));
        assert!(began.elapsed() >= Duration::from_millis(20));
        drop(stalled);
        sink.flush(Duration::from_secs(60));
        assert_eq!(log.text.lock().unwrap().as_str(), "late\n");
        assert!(began.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn the_file_is_opened_anew_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/x.log");
        let (sink, queue) = Sink::open(&LogType::File(path.clone()), |_| String::new()).unwrap();
        queue.push("1\n".to_owned());
        sink.flush(FLUSH_MAX * 60);
        std::fs::rename(&path, folder.path().join("x.log.1")).unwrap();
        sink.reopen().unwrap();
        queue.push("2\n".to_owned());
        drop(sink);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
    }

    #[test]
    fn what_syslog_missed_it_is_told_once_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lost = |count| format!("lost {count}");
        let (sink, queue) = Sink::open(&LogType::Syslog(path.clone()), lost).unwrap();
        assert!(!sink.is_console());
        queue.push("1".to_owned());
        queue.push("2".to_owned());
        sink.flush(FLUSH_MAX * 60);
        let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        sink.reopen().unwrap();
        queue.push("3".to_owned());
        queue.push("4".to_owned());
        drop(sink);
        let mut heard = Vec::new();
        for _ in 0..3 {
            let mut bytes = [0; 64];
            let count = socket.recv(&mut bytes).unwrap();
            heard.push(String::from_utf8(bytes[..count].to_vec()).unwrap());
        }
        assert_eq!(heard, ["3", "lost 2", "4"]);
    }

    #[test]
    fn the_manual_names_the_bounds() {
        let path = crate::in_tree("docs/manual/engine.md").unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(&format!("Where {QUEUE_LINES_MAX} lines\nwait")));
        assert!(text.contains("up to one second") && FLUSH_MAX == Duration::from_secs(1));
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        let fault = Sink::open(&LogType::File(path), |_| String::new()).unwrap_err();
        assert!(fault.to_string().starts_with("cannot open the log file `"), "{fault}");
    }
}
