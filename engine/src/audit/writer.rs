//! The writer thread: takes blocks of finished lines and appends them to the trail's file.
//!
//! A block that cannot be written is kept and tried again until it can, so that a full disk loses
//! nothing that was accepted; meanwhile a flag tells the workers to accept no more. Another thread
//! brings to the disk what was appended (`syncer`).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;

use super::syncer::{Handle, RETRY, Syncer};

/// The trail's file: its group may read it, nobody else.
const FILE_MODE: u32 = 0o640;

/// Where lines go; a trait so that tests can fail on purpose.
pub(super) trait Sink: Send {
    /// Appends some of `bytes` and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// What brings to the disk all that was appended to the file that is open now. There always is such
    /// a way: what was appended and cannot be brought there would count as being there.
    fn handle(&self) -> Handle;
    /// Closes the file and opens it by its name again, after a rotation.
    fn reopen(&mut self) -> io::Result<()>;
}

/// A file that is only ever appended to.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    /// Shared with whoever syncs it: a descriptor more may not be had.
    file: Arc<File>,
}

impl FileSink {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = Arc::new(open_for_append(&path)?);
        Ok(Self { path, file })
    }
}

impl Sink for FileSink {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_ref().write(bytes)
    }

    fn handle(&self) -> Handle {
        let file = Arc::clone(&self.file);
        Box::new(move || file.sync_data())
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = Arc::new(open_for_append(&self.path)?);
        Ok(())
    }
}

/// Opens the file and ends a line that a crash may have left torn.
fn open_for_append(path: &PathBuf) -> io::Result<File> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Message {
    /// A worker's lines; the emptied buffer goes back to it.
    Block {
        /// Whole lines.
        bytes: Vec<u8>,
        /// The worker's pool.
        home: SyncSender<Vec<u8>>,
    },
    /// One line from elsewhere.
    Event(Vec<u8>),
    /// Look at the flags.
    Wake,
}

/// What the writer and everybody who records share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Writing fails; nothing more is accepted.
    pub(super) failing: AtomicBool,
    /// The file shall be opened again.
    pub(super) reopen: AtomicBool,
    /// Write what is there, then end.
    pub(super) finish: AtomicBool,
    /// Events in the queue, so that they cannot take the workers' room.
    pub(super) events: AtomicUsize,
    /// Entries that were due and could not be accepted.
    pub(super) missed: AtomicU64,
}

/// The writer's state.
pub(super) struct Writer<S> {
    pub(super) sink: S,
    pub(super) inbox: Receiver<Message>,
    pub(super) shared: Arc<Shared>,
    pub(super) syncer: Syncer,
    /// Whether nothing was appended yet to the file that is open.
    pub(super) is_new: bool,
}

/// Whether a block reached the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Whole,
    GivenUp,
}

impl<S: Sink> Writer<S> {
    /// Serves until told to finish, or until nobody is left to record.
    pub(super) fn run(mut self) {
        loop {
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            let ends = self.shared.finish.load(Ordering::Acquire);
            let message = match (ends, self.syncer.patience()) {
                (true, _) => self.inbox.try_recv().ok(),
                (false, None) => self.inbox.recv().ok(),
                (false, Some(patience)) => match self.inbox.recv_timeout(patience) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.syncer.look();
                        continue;
                    }
                    received => received.ok(),
                },
            };
            match message {
                Some(message) => self.take(message),
                None => break,
            }
        }
        self.syncer.finish();
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Block { mut bytes, home } => {
                self.write(&bytes);
                bytes.clear();
                // The worker may be gone; then its pool is too.
                let _ = home.try_send(bytes);
            }
            Message::Event(bytes) => {
                self.write(&bytes);
                self.shared.events.fetch_sub(1, Ordering::AcqRel);
            }
            Message::Wake => {}
        }
    }

    /// Writes all of `bytes`, however long it takes; gives up only when the engine ends.
    fn write(&mut self, bytes: &[u8]) {
        let mut done = 0;
        loop {
            let rest = bytes.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.sink.append(rest) {
                Ok(count) if count > 0 => {
                    done += count;
                    let Self { sink, syncer, .. } = self;
                    syncer.appended(std::mem::take(&mut self.is_new), || sink.handle());
                }
                Ok(_) => {
                    if self.failed(&io::ErrorKind::WriteZero.into(), rest) == Written::GivenUp {
                        return;
                    }
                }
                Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
                Err(fault) => {
                    if self.failed(&fault, rest) == Written::GivenUp {
                        return;
                    }
                }
            }
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
                // A line must not lie half in the old file and half in the new one.
                done = line_start(bytes, done);
            }
        }
    }

    fn failed(&self, fault: &io::Error, rest: &[u8]) -> Written {
        let was_failing = self.shared.failing.load(Ordering::Acquire);
        self.syncer.cannot_append();
        if !was_failing {
            tracing::error!(
                %fault,
                "the audit trail cannot be written; verdicts follow `[audit] on_failure` until it can"
            );
        }
        if self.shared.finish.load(Ordering::Acquire) {
            let lines = rest.iter().filter(|byte| **byte == b'\n').count();
            tracing::error!(lines, %fault, "audit entries are lost at the engine's end");
            return Written::GivenUp;
        }
        thread::park_timeout(RETRY);
        Written::Whole
    }

    /// What is in the old file is due as before.
    fn reopen(&mut self) {
        match self.sink.reopen() {
            Ok(()) => self.is_new = true,
            Err(fault) => {
                tracing::error!(%fault, "the audit file cannot be opened again; the old one stays");
            }
        }
    }
}

/// Where the line that holds the byte before `done` begins; `done` itself after a whole line.
fn line_start(bytes: &[u8], done: usize) -> usize {
    let written = bytes.get(..done).unwrap_or_default();
    written.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_begins_where_it_began() {
        for (done, expected) in [(0, 0), (2, 0), (3, 3), (5, 3), (6, 6)] {
            assert_eq!(line_start(b"ab\ncd\n", done), expected, "{done}");
        }
    }

    #[test]
    fn a_torn_last_line_is_ended_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        std::fs::write(&path, "{\"a\":1}\n{\"b\"").unwrap();
        let mut sink = FileSink::open(path.clone()).unwrap();
        assert_eq!(sink.append(b"{}\n").unwrap(), 3);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\"\n{}\n");
    }

    #[test]
    fn a_rotated_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut sink = FileSink::open(path.clone()).unwrap();
        sink.append(b"1\n").unwrap();
        std::fs::rename(&path, folder.path().join("audit.jsonl.1")).unwrap();
        sink.reopen().unwrap();
        sink.append(b"2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2\n");
    }

    #[test]
    fn whoever_syncs_needs_no_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let mut sink = FileSink::open(path.clone()).unwrap();
        sink.append(b"1\n").unwrap();
        let mut handles = [sink.handle(), sink.handle()];
        let open = || {
            let own = std::fs::read_dir("/proc/self/fd").unwrap();
            let led = own.filter_map(|one| std::fs::read_link(one.unwrap().path()).ok());
            led.filter(|to| *to == path).count()
        };
        assert_eq!(open(), 1);
        // What is in a file that was rotated away is due as before.
        std::fs::remove_file(&path).unwrap();
        sink.reopen().unwrap();
        assert_eq!(open(), 1);
        assert!(handles.iter_mut().all(|handle| handle().is_ok()));
    }
}
