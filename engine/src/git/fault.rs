//! Why something was not done with the history. The policy's files are never touched.

use std::io;
use std::path::PathBuf;

/// A fault of one operation.
#[derive(Debug, thiserror::Error)]
pub enum GitFault {
    /// There is no repository.
    #[error("`{}` has no history; `request policy git-init` begins one", path.display())]
    NoRepository {
        /// The policy's folder.
        path: PathBuf,
    },
    /// There is one already.
    #[error("`{}` has a history already", path.display())]
    AlreadyThere {
        /// The policy's folder.
        path: PathBuf,
    },
    /// It belongs to somebody else, who could make the engine write what they like.
    #[error(
        "`{}` belongs to user {owner}, and the engine runs as user {user}; git trusts only what belongs \
         to the user itself: `chown -R {user}` it", path.display()
    )]
    ForeignOwner {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who the engine is.
        user: u32,
    },
    /// Part of it lies elsewhere.
    #[error(
        "the history of `{}` or its files lie elsewhere ({what}); the engine takes only a `.git` folder \
         with everything in it", path.display()
    )]
    Elsewhere {
        /// The policy's folder.
        path: PathBuf,
        /// What leads there.
        what: &'static str,
    },
    /// It has no files.
    #[error(
        "`{}` is bare (`core.bare`), so there are no files to commit; `git config core.bare false` there",
        path.display()
    )]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// No branch is checked out, so that a commit would belong to none.
    #[error("no branch is checked out in `{}` (detached HEAD); `git switch` to one", path.display())]
    Detached {
        /// The policy's folder.
        path: PathBuf,
    },
    /// Somebody is in the middle of something.
    #[error("a {what} is under way in `{}`; finish or abort it with git first", path.display())]
    UnderWay {
        /// The policy's folder.
        path: PathBuf,
        /// A merge, a rebase and so on.
        what: &'static str,
    },
    /// A lock.
    #[error(
        "another git works on it, or one was killed: `{}` is there; remove it when no git is running",
        lock.display()
    )]
    Locked {
        /// The lock file.
        lock: PathBuf,
    },
    /// Somebody committed in this moment.
    #[error("somebody else committed to `{}` at the same moment; reload once more", path.display())]
    Moved {
        /// The policy's folder.
        path: PathBuf,
    },
    /// A name that is none.
    #[error(
        "the author must be a name of 1 to {most} bytes without control characters, `<` and `>`"
    )]
    BadAuthor {
        /// The bound.
        most: usize,
    },
    /// A reason that is too long.
    #[error("the reason has {bytes} bytes, and at most {most} are kept")]
    LongReason {
        /// How long it is.
        bytes: usize,
        /// The bound.
        most: usize,
    },
    /// A tag that is none.
    #[error(
        "`{name}` is no name for a tag; take up to {most} of the characters a-z, A-Z, 0-9, `.`, `_`, `-`, \
         beginning with a letter or digit, without `..` and without `.` or `.lock` at the end"
    )]
    BadTag {
        /// What was given.
        name: String,
        /// The bound.
        most: usize,
    },
    /// A tag that is taken.
    #[error("the tag `{name}` is there already; tags stay where they are")]
    TagThere {
        /// Its name.
        name: String,
    },
    /// A revision that cannot be one.
    #[error("`{text}` is neither a tag nor an id of 7 to 40 hexadecimal digits")]
    BadRevision {
        /// What was given.
        text: String,
    },
    /// A revision that is not there, or could be several.
    #[error("there is no tag and no single commit `{text}`; `show policy log` lists them")]
    NoRevision {
        /// What was given.
        text: String,
    },
    /// Nothing has been committed.
    #[error("the history of `{}` is empty; the next reload begins it", path.display())]
    Empty {
        /// The policy's folder.
        path: PathBuf,
    },
    /// A file without history.
    #[error(
        "`{file}` is not in the history: it was not there at the last reload, or `.gitignore` names it"
    )]
    NotKept {
        /// What was given.
        file: String,
    },
    /// A file that is too large to look at line by line.
    #[error("`{file}` has {bytes} bytes, and the lines of at most {most} are traced")]
    LargeFile {
        /// What was given.
        file: String,
        /// How large it is.
        bytes: u64,
        /// The bound.
        most: u64,
    },
    /// Lines that are not there.
    #[error("`{file}` has {there} lines in the history, so lines {first} to {last} are not in it")]
    NoLines {
        /// What was given.
        file: String,
        /// How many there are.
        there: u32,
        /// The first that was asked for.
        first: u32,
        /// The last that was asked for.
        last: u32,
    },
    /// What libgit2 says.
    #[error("cannot {action} in the history of `{}`", path.display())]
    Git {
        /// What was tried.
        action: &'static str,
        /// The policy's folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: git2::Error,
    },
    /// The disk refuses.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}
