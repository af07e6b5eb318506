//! `watch = true`: asks for a reload when a policy file, or a list that the policy names, has changed.
//!
//! The truth is a look at the files, taken every [`POLL`]; inotify only makes the next look come sooner,
//! so that a file system that sends no events (bind mounts, network folders, some sandboxes) costs time
//! and no change. Only what a reload would read counts: `*.policy` files and the lists that they name. So
//! an editor's temporary files, and the commits that follow a reload, cause none.
//!
//! INVARIANT: between two looks there is a pause, whatever events come; a writer that is still at it is
//! waited for; what was refused is tried again only once files change again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use eg_policy::sources::{EntryKind, Files as _};
use eg_proto::control::ProblemKind;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::asks::{Ask, Door};
use crate::config::PolicyConfig;
use crate::reload::Seen;
use crate::sources::Disk;

/// Between two looks where no event comes.
const POLL: Duration = Duration::from_secs(10);

/// Between two looks at least: a folder in which somebody writes all the time costs a look this often.
const PAUSE: Duration = Duration::from_millis(250);

/// How long files must stay as they are before they are read: longer than an editor or a copy of several
/// files pauses.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a writer that never stops is waited for.
const SETTLE_MAX: Duration = Duration::from_secs(60);

/// Folders and policy files that are looked at; a policy has no more (`eg_policy::sources`).
const ENTRIES_MAX: usize = 100_000;

/// Folders below one another, as the policy's walk has it.
const DEPTH_MAX: usize = 16;

/// What happens in a folder that may matter.
const EVENTS: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_DELETE_SELF);

/// The list files that the policy names, as the last reload found them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named(Arc<Mutex<Vec<String>>>);

impl Named {
    /// Says which they are.
    pub(crate) fn put(&self, lists: &[String]) {
        let mut named = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if named.as_slice() != lists {
            *named = lists.to_vec();
        }
    }

    fn get(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The thread that watches, for whoever ends it.
#[derive(Debug)]
pub(crate) struct FileWatch {
    /// Closed, it ends the thread.
    rope: UnixStream,
    /// Nothing ever comes; it closes with the thread.
    ended: Receiver<()>,
}

impl FileWatch {
    /// Starts it. The first thing it asks for is a reload: what changed while no engine ran would else
    /// be noticed by nobody.
    pub(crate) fn start(config: &PolicyConfig, named: Named, door: Door) -> io::Result<Self> {
        let (rope, stop) = UnixStream::pair()?;
        let roots = [Some(config.path.clone()), config.shared_path.clone()];
        let roots = roots.into_iter().flatten().collect();
        let watcher = Watcher { roots, named, door, stop, hints: Hints::start() };
        Self::spawn(rope, move || watcher.run())
    }

    fn spawn(rope: UnixStream, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = sync_channel(1);
        let run = move || {
            let _alive: SyncSender<()> = alive;
            work();
        };
        drop(std::thread::Builder::new().name("watch".to_owned()).spawn(run)?);
        Ok(Self { rope, ended })
    }

    /// Ends it. One that does not come back within `patience` is left behind: it looks at files, and on a
    /// network folder whose server is gone a look may never end.
    pub(crate) fn finish(self, patience: Duration) {
        let Self { rope, ended } = self;
        drop(rope);
        if ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("a look at the policy's files does not end; it is left behind");
        }
    }
}

/// What a reload would read, as the system describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct View {
    policies: BTreeMap<PathBuf, Option<Seen>>,
    lists: BTreeMap<String, Option<Seen>>,
    /// The folders in which any of it lies.
    folders: BTreeSet<PathBuf>,
}

impl View {
    fn look(roots: &[PathBuf], lists: Vec<String>) -> Self {
        let mut view = Self::default();
        for root in roots {
            view.walk(root);
        }
        for list in lists {
            let path = Path::new(&list);
            // A link leads to a file in another folder.
            let real = fs::canonicalize(path).ok();
            for path in [Some(path), real.as_deref()].into_iter().flatten() {
                view.folders.extend(path.parent().map(Path::to_path_buf));
                if path.is_dir() {
                    view.folders.insert(path.to_path_buf());
                }
            }
            let seen = Seen::look(path);
            view.lists.insert(list, seen);
        }
        view
    }

    /// Goes where the policy's own walk goes.
    fn walk(&mut self, root: &Path) {
        let mut open = vec![(root.to_path_buf(), 0)];
        while let Some((folder, depth)) = open.pop() {
            let count = self.folders.len() + self.policies.len();
            if depth > DEPTH_MAX || count > ENTRIES_MAX || !self.folders.insert(folder.clone()) {
                continue;
            }
            let Ok(entries) = Disk.folder(&folder) else { continue };
            for entry in entries.into_iter().filter(|entry| !entry.name.starts_with('.')) {
                let path = folder.join(&entry.name);
                match entry.kind {
                    EntryKind::Folder => open.push((path, depth + 1)),
                    EntryKind::Dangling => drop(self.policies.insert(path, None)),
                    EntryKind::File | EntryKind::Other if entry.name.ends_with(".policy") => {
                        let seen = Seen::look(&path);
                        self.policies.insert(path, seen);
                    }
                    EntryKind::File | EntryKind::Other => {}
                }
            }
        }
    }

    /// Whether a reload that began at `asked`, after the view `before` was taken, would read something
    /// else now. A list that the policy did not name before is no change by itself.
    fn differs(&self, before: &Self, asked: SystemTime) -> bool {
        self.policies != before.policies
            || self.lists.iter().any(|(path, now)| match before.lists.get(path) {
                Some(before) => before != now,
                None => now.as_ref().is_some_and(|now| now.is_newer_than(asked)),
            })
    }
}

/// inotify, where the system has it.
struct Hints(Option<Inotify>);

impl Hints {
    fn start() -> Self {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        let hints = Inotify::init(flags);
        if let Err(fault) = &hints {
            let seconds = POLL.as_secs();
            tracing::info!(%fault, seconds, "the system tells of no changes, so files are looked at");
        }
        Self(hints.ok())
    }

    /// Asks to be told of these folders. Those that are known already stay; one that cannot be watched
    /// is looked at all the same.
    fn watch(&self, folders: &BTreeSet<PathBuf>) {
        let Some(hints) = &self.0 else { return };
        for folder in folders {
            let _ = hints.add_watch(folder, EVENTS);
        }
    }

    /// Forgets what came.
    fn drain(&self) {
        let Some(hints) = &self.0 else { return };
        while hints.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Look,
    End,
}

struct Watcher {
    roots: Vec<PathBuf>,
    named: Named,
    door: Door,
    stop: UnixStream,
    hints: Hints,
}

impl Watcher {
    fn run(self) {
        let mut asked = SystemTime::now();
        let mut last = self.look();
        let mut owed = Some(());
        loop {
            if owed.take().is_some() {
                asked = SystemTime::now();
                match self.door.tell(Ask::Changed) {
                    Ok(()) => {}
                    // Behind so many it is asked for again at the next look.
                    Err(refused) if refused.kind == ProblemKind::Busy => owed = Some(()),
                    Err(_) => return,
                }
            }
            if self.wait(PAUSE, Heed::Stop) == Next::End
                || self.wait(POLL, Heed::Events) == Next::End
            {
                return;
            }
            let now = self.look();
            if now.differs(&last, asked) {
                let Some(settled) = self.settled(now) else { return };
                last = settled;
                owed = Some(());
            } else {
                last = now;
            }
        }
    }

    fn look(&self) -> View {
        self.hints.drain();
        let view = View::look(&self.roots, self.named.get());
        self.hints.watch(&view.folders);
        view
    }

    /// What the files are once nobody has written for [`SETTLE`]; `None` at the end.
    fn settled(&self, mut view: View) -> Option<View> {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            if self.wait(SETTLE, Heed::Stop) == Next::End {
                return None;
            }
            let now = self.look();
            if now == view || Instant::now() >= until {
                return Some(now);
            }
            view = now;
        }
    }

    /// Waits for as long, or for what is heeded.
    fn wait(&self, patience: Duration, heed: Heed) -> Next {
        let stop = PollFd::new(self.stop.as_fd(), PollFlags::POLLIN);
        let hints = match heed {
            Heed::Events => self.hints.0.as_ref().map(|hints| hints.as_fd()),
            Heed::Stop => None,
        };
        // Without another the first is waited for twice, which changes nothing.
        let second = PollFd::new(hints.unwrap_or_else(|| self.stop.as_fd()), PollFlags::POLLIN);
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut places = [stop, second];
        match poll(&mut places, timeout) {
            Ok(_) => {}
            // A signal is blocked here; where one comes all the same, the next look comes early.
            Err(_) => std::thread::sleep(PAUSE),
        }
        let [stop, _] = places;
        match stop.any() {
            Some(true) => Next::End,
            Some(false) | None => Next::Look,
        }
    }
}

/// What ends a wait early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heed {
    /// The end.
    Stop,
    /// The end, and what happens to files.
    Events,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(root: &Path, lists: &[&Path]) -> View {
        let lists = lists.iter().map(|path| path.display().to_string()).collect();
        View::look(&[root.to_path_buf()], lists)
    }

    #[test]
    fn only_what_a_reload_would_read_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("rules.d");
        let list = folder.path().join("ads.txt");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(root.join(".git")).unwrap();
        fs::write(root.join("a.policy"), "a").unwrap();
        fs::write(&list, "ads.example\n").unwrap();
        let asked = SystemTime::now() + Duration::from_secs(60);
        let first = look(&root, &[&list]);
        let check = |what: &str, expected: bool| {
            let now = look(&root, &[&list]);
            assert_eq!(now.differs(&first, asked), expected, "{what}");
        };
        check("nothing", false);
        fs::write(root.join("a.policy~"), "old").unwrap();
        fs::write(root.join(".a.policy.swp"), "swap").unwrap();
        fs::write(root.join(".git/index"), "git").unwrap();
        fs::write(folder.path().join("other.txt"), "not named").unwrap();
        check("files that nobody reads", false);
        fs::write(&list, "ads.example\nmore.example\n").unwrap();
        check("a list", true);
    }

    #[test]
    fn each_way_to_change_a_policy_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let steps: [&dyn Fn(); 6] = [
            &|| fs::write(root.join("a.policy"), "a").unwrap(),
            &|| fs::write(root.join("a.policy"), "longer").unwrap(),
            &|| {
                // As an editor saves.
                fs::write(root.join(".a.tmp"), "longer").unwrap();
                fs::rename(root.join(".a.tmp"), root.join("a.policy")).unwrap();
            },
            &|| {
                fs::create_dir(root.join("sub")).unwrap();
                fs::write(root.join("sub/b.policy"), "b").unwrap();
            },
            &|| fs::rename(root.join("sub"), root.join("other")).unwrap(),
            &|| fs::remove_file(root.join("a.policy")).unwrap(),
        ];
        for (number, step) in steps.iter().enumerate() {
            let before = look(root, &[]);
            step();
            let now = look(root, &[]);
            assert!(now.differs(&before, SystemTime::now()), "step {number}");
            assert!(!look(root, &[]).differs(&now, SystemTime::now()), "step {number}");
        }
    }

    #[test]
    fn a_list_that_is_newly_named_is_no_change_but_one_that_is_newer_is() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("ads.txt");
        fs::write(&list, "ads.example\n").unwrap();
        let before = look(folder.path(), &[]);
        let now = look(folder.path(), &[&list]);
        assert!(!now.differs(&before, SystemTime::now() + Duration::from_secs(60)));
        assert!(now.differs(&before, SystemTime::now() - Duration::from_secs(60)));
        // One that comes, where it was missed.
        let missing = folder.path().join("missing.txt");
        let before = look(folder.path(), &[&missing]);
        fs::write(&missing, "x.example\n").unwrap();
        assert!(look(folder.path(), &[&missing]).differs(&before, SystemTime::now()));
    }

    #[test]
    fn a_look_that_never_ends_holds_up_no_end() {
        let (rope, stop) = UnixStream::pair().unwrap();
        let (hung, release) = std::sync::mpsc::channel::<()>();
        let watch = FileWatch::spawn(rope, move || {
            let _stop = stop;
            let _ = release.recv();
        });
        let began = Instant::now();
        watch.unwrap().finish(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(10));
        drop(hung);
    }
}
