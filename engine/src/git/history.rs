//! The repository: whether there is one that the engine may use, how one begins, and what is added.
//!
//! It is opened anew for each call and looked at each time, since operators work in it too.
//!
//! INVARIANT: libgit2 is told once, before its first use, to look for no configuration outside the
//! repository; `repository` and `init` are the only ways to it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use eg_policy::moment::Moment;
use git2::{
    ErrorCode, Index, IndexAddOption, Repository, RepositoryInitOptions, RepositoryState,
    Signature, Time,
};

use super::names::{check_tag, reason};
use super::{Author, CommitId, GitFault};
use crate::config::{GitMode, PolicyConfig};
use crate::process::without_git_configuration;

/// The folder that git keeps everything in.
pub(super) const GIT: &str = ".git";

/// Where a repository is made before it gets its name. Snapshots leave out this beginning of names.
const UNFINISHED: &str = ".enforcegate-git-init";

/// The beginning of names of what the engine itself puts into the folder for a moment.
const OURS: &str = ".enforcegate-";

/// The branch of a new repository.
const BRANCH: &str = "main";

/// Old policies are for the engine's user alone.
const MODE: u32 = 0o700;

/// Who writes commits, whoever their author is.
const COMMITTER: &str = "enforcegate-engine";

/// Git wants an address; there is none, and this one can never be anybody's (RFC 2606).
const ADDRESS: &str = "operator@enforcegate.invalid";

/// Whether the policy has a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitState {
    /// No, and none is wanted.
    Off,
    /// Yes.
    On(History),
    /// `git_mode` is `force-on`, and there is no `.git`.
    Missing,
}

/// The history of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    path: PathBuf,
}

/// Looks for the history of `[policy] path`, as `[policy] git_mode` says.
///
/// # Errors
///
/// Where there is one that the engine must not or cannot use.
pub fn open(config: &PolicyConfig) -> Result<GitState, GitFault> {
    let there = fs::symlink_metadata(config.path.join(GIT)).is_ok();
    match (config.git_mode, there) {
        (GitMode::ForceOff, _) | (GitMode::Auto, false) => Ok(GitState::Off),
        (GitMode::ForceOn, false) => Ok(GitState::Missing),
        (GitMode::Auto | GitMode::ForceOn, true) => {
            let history = History { path: plain(&config.path)? };
            history.repository()?;
            Ok(GitState::On(history))
        }
    }
}

fn plain(path: &Path) -> Result<PathBuf, GitFault> {
    fs::canonicalize(path).map_err(file("open", path))
}

pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> GitFault {
    let path = path.to_path_buf();
    move |source| GitFault::File { action, path, source }
}

impl History {
    /// Begins the history of a folder. It is empty; the next [`Self::commit`] adds what is there.
    ///
    /// # Errors
    ///
    /// Where there is one already, the folder belongs to another user, or the disk refuses.
    pub fn init(path: &Path) -> Result<Self, GitFault> {
        let history = Self { path: plain(path)? };
        let path = &history.path;
        let git = path.join(GIT);
        if fs::symlink_metadata(&git).is_ok() {
            return Err(GitFault::AlreadyThere { path: path.clone() });
        }
        check_owner(path, fs::metadata(path).map_err(file("look at", path))?.uid())?;
        let unfinished = path.join(UNFINISHED);
        if fs::symlink_metadata(&unfinished).is_ok_and(|facts| facts.is_dir()) {
            fs::remove_dir_all(&unfinished).map_err(file("remove", &unfinished))?;
        }
        fs::create_dir(&unfinished).map_err(file("make", &unfinished))?;
        let begun = history.begin(&unfinished, &git);
        let removed = fs::remove_dir_all(&unfinished);
        begun?;
        removed.map_err(file("remove", &unfinished))?;
        let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
        synced.map_err(file("sync", path))?;
        history.repository()?;
        Ok(history)
    }

    /// Makes a repository aside, and moves it to its place whole.
    fn begin(&self, unfinished: &Path, git: &Path) -> Result<(), GitFault> {
        self.settle()?;
        let mut options = RepositoryInitOptions::new();
        options
            .no_reinit(true)
            .mkdir(false)
            .mkpath(false)
            .external_template(false)
            .initial_head(BRANCH);
        let fault = |source| self.fault("begin", source);
        let repository = Repository::init_opts(unfinished, &options).map_err(fault)?;
        // Objects and references are synced, so that a power cut leaves no empty ones.
        let mut config = repository.config().map_err(fault)?;
        config.set_bool("core.fsyncObjectFiles", true).map_err(fault)?;
        let made = unfinished.join(GIT);
        fs::set_permissions(&made, fs::Permissions::from_mode(MODE))
            .map_err(file("set the mode of", &made))?;
        fs::rename(&made, git).map_err(file("move to", git))
    }

    /// Commits everything below the folder that `.gitignore` does not name, with what others have
    /// staged. `None` where it is as the last commit left it. The reason is folded into one line.
    ///
    /// A folder with a `.git` of its own is left out, with a warning.
    ///
    /// # Errors
    ///
    /// [`GitFault`]; the branch is then where it was.
    pub fn commit(
        &self,
        author: &Author,
        why: &str,
        now: Moment,
    ) -> Result<Option<CommitId>, GitFault> {
        let message = reason(why)?;
        let repository = self.writable()?;
        let fault = |source| self.fault("commit", source);
        let mut index = repository.index().map_err(fault)?;
        index.read(true).map_err(fault)?;
        if index.has_conflicts() {
            return Err(GitFault::UnderWay {
                path: self.path.clone(),
                what: "merge with conflicts",
            });
        }
        self.add_all(&mut index)?;
        let tree = index.write_tree().and_then(|id| repository.find_tree(id)).map_err(fault)?;
        let parent = match repository.head() {
            Ok(head) => Some(head.peel_to_commit().map_err(fault)?),
            Err(none) if none.code() == ErrorCode::UnbornBranch => None,
            Err(other) => return Err(fault(other)),
        };
        let before = parent.as_ref().map(git2::Commit::tree_id);
        if before.map_or_else(|| tree.is_empty(), |before| before == tree.id()) {
            return Ok(None);
        }
        // First the index, as git itself does: cut off in between, everything is staged and nothing lost.
        index.write().map_err(fault)?;
        let (author, committer) = (signature(author.as_str(), now), signature(COMMITTER, now));
        let (author, committer) = (author.map_err(fault)?, committer.map_err(fault)?);
        let parents: Vec<_> = parent.iter().collect();
        let id = repository.commit(Some("HEAD"), &author, &committer, &message, &tree, &parents);
        id.map(|id| Some(CommitId::new(id))).map_err(fault)
    }

    fn add_all(&self, index: &mut Index) -> Result<(), GitFault> {
        let mut choose = |path: &Path, _: &[u8]| {
            let ours = path.components().next().is_some_and(|first| {
                first.as_os_str().as_encoded_bytes().starts_with(OURS.as_bytes())
            });
            if !ours && self.path.join(path).is_dir() && !self.path.join(path).is_symlink() {
                tracing::warn!(
                    path = %self.path.join(path).display(),
                    "this folder has a `.git` of its own, so its files are not in the policy's history"
                );
                return 1;
            }
            i32::from(ours)
        };
        // Not without a pattern: git2 0.21 then reads a null pointer before it calls `choose`.
        index
            .add_all(["*"], IndexAddOption::DEFAULT, Some(&mut choose))
            .map_err(|source| self.fault("add files", source))
    }

    /// Names the last commit.
    ///
    /// # Errors
    ///
    /// Where there is none, or the name is taken or none.
    pub fn tag(&self, name: &str, author: &Author, now: Moment) -> Result<(), GitFault> {
        check_tag(name)?;
        let repository = self.repository()?;
        let head = self.head(&repository)?;
        let fault = |source| self.fault("tag", source);
        let tagger = signature(author.as_str(), now).map_err(fault)?;
        match repository.tag(name, head.as_object(), &tagger, name, false) {
            Err(there) if there.code() == ErrorCode::Exists => {
                Err(GitFault::TagThere { name: name.into() })
            }
            tagged => tagged.map(drop).map_err(fault),
        }
    }

    /// The last commit.
    pub(super) fn head<'r>(
        &self,
        repository: &'r Repository,
    ) -> Result<git2::Commit<'r>, GitFault> {
        match repository.head().and_then(|head| head.peel_to_commit()) {
            Err(none) if none.code() == ErrorCode::UnbornBranch => {
                Err(GitFault::Empty { path: self.path.clone() })
            }
            head => head.map_err(|source| self.fault("find the last commit", source)),
        }
    }

    fn settle(&self) -> Result<(), GitFault> {
        without_git_configuration()
            .map_err(|why| self.fault("set libgit2 up", git2::Error::from_str(&why)))
    }

    /// The repository, where the engine may use it.
    pub(super) fn repository(&self) -> Result<Repository, GitFault> {
        self.settle()?;
        let (path, git) = (&self.path, self.path.join(GIT));
        let facts = match fs::symlink_metadata(&git) {
            Err(none) if none.kind() == io::ErrorKind::NotFound => {
                return Err(GitFault::NoRepository { path: path.clone() });
            }
            facts => facts.map_err(file("look at", &git))?,
        };
        let elsewhere = |what| GitFault::Elsewhere { path: path.clone(), what };
        if !facts.is_dir() {
            return Err(elsewhere("`.git` is no folder"));
        }
        check_owner(&git, facts.uid())?;
        check_owner(path, fs::metadata(path).map_err(file("look at", path))?.uid())?;
        let repository = Repository::open(path).map_err(|source| self.fault("open", source))?;
        if repository.is_bare() {
            return Err(GitFault::Bare { path: git });
        }
        let files = repository.workdir().and_then(|files| fs::canonicalize(files).ok());
        if files.as_deref() != Some(path.as_path()) {
            return Err(elsewhere("`core.worktree`"));
        }
        let shared = fs::canonicalize(repository.commondir()).ok();
        if shared.as_deref() != Some(git.as_path()) {
            return Err(elsewhere("`commondir`"));
        }
        Ok(repository)
    }

    /// The repository, where nothing is under way in it.
    fn writable(&self) -> Result<Repository, GitFault> {
        let repository = self.repository()?;
        let path = || self.path.clone();
        if let Some(what) = under_way(repository.state()) {
            return Err(GitFault::UnderWay { path: path(), what });
        }
        if repository.head_detached().map_err(|source| self.fault("read HEAD", source))? {
            return Err(GitFault::Detached { path: path() });
        }
        for lock in ["index.lock", "HEAD.lock"] {
            let lock = self.path.join(GIT).join(lock);
            if fs::symlink_metadata(&lock).is_ok() {
                return Err(GitFault::Locked { lock });
            }
        }
        Ok(repository)
    }

    /// What libgit2 says, in our words where an operator has to act.
    pub(super) fn fault(&self, action: &'static str, source: git2::Error) -> GitFault {
        match source.code() {
            ErrorCode::Locked => GitFault::Locked { lock: self.path.join(GIT).join("*.lock") },
            ErrorCode::Modified => GitFault::Moved { path: self.path.clone() },
            _ => GitFault::Git { action, path: self.path.clone(), source },
        }
    }
}

fn signature(name: &str, now: Moment) -> Result<Signature<'static>, git2::Error> {
    Signature::new(name, ADDRESS, &Time::new(now.unix_micros().div_euclid(1_000_000), 0))
}

/// Refuses what belongs to somebody else.
fn check_owner(path: &Path, owner: u32) -> Result<(), GitFault> {
    let user = nix::unistd::geteuid().as_raw();
    if owner == user {
        return Ok(());
    }
    Err(GitFault::ForeignOwner { path: path.to_path_buf(), owner, user })
}

const fn under_way(state: RepositoryState) -> Option<&'static str> {
    match state {
        RepositoryState::Clean => None,
        RepositoryState::Merge => Some("merge"),
        RepositoryState::Revert | RepositoryState::RevertSequence => Some("revert"),
        RepositoryState::CherryPick | RepositoryState::CherryPickSequence => Some("cherry-pick"),
        RepositoryState::Bisect => Some("bisect"),
        RepositoryState::Rebase
        | RepositoryState::RebaseInteractive
        | RepositoryState::RebaseMerge => Some("rebase"),
        RepositoryState::ApplyMailbox | RepositoryState::ApplyMailboxOrRebase => Some("`git am`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        let user = nix::unistd::geteuid().as_raw();
        let path = Path::new("/etc/rules.d/.git");
        assert!(check_owner(path, user).is_ok());
        let fault = check_owner(path, user + 1).unwrap_err();
        assert!(matches!(fault, GitFault::ForeignOwner { .. }));
        assert!(fault.to_string().contains("chown"));
    }
}
