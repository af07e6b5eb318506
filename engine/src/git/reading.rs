//! What the history says: the list of commits, who last changed a line, and what differs.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Component, Path};

use eg_policy::moment::Moment;
use git2::{
    BlameOptions, Commit, Delta, DiffDelta, DiffFormat, DiffLineType, DiffOptions, ErrorCode, Oid,
    Repository, Sort,
};

use super::names::line;
use super::{CommitId, GitFault, History, Revision};

/// More rows than anybody reads.
const LOG_ROWS_MAX: usize = 10_000;

/// Tags beyond these are not shown.
const TAGS_MAX: usize = 10_000;

/// A policy file with 100,000 rules is half of it; lists are not traced.
const BLAME_BYTES_MAX: u64 = 16 << 20;

/// The lines of the longest rule that anybody would print.
const BLAME_LINES_MAX: u32 = 10_000;

/// A larger file is reported as changed, without its lines.
const DIFF_FILE_BYTES_MAX: i64 = 1 << 20;

/// What fits into one answer.
const DIFF_BYTES_MAX: usize = 1 << 20;

/// Lines around a change.
const DIFF_CONTEXT: u32 = 3;

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRow {
    /// Its id.
    pub id: CommitId,
    /// When it was made; whole seconds.
    pub when: Moment,
    /// Who made it.
    pub author: String,
    /// Why, in one line of at most 2,000 bytes.
    pub reason: String,
    /// The tags that name it, sorted.
    pub tags: Vec<String>,
}

/// Who last changed a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameRow {
    /// The line; 1 is the first.
    pub line: u32,
    /// In which commit.
    pub id: CommitId,
    /// When.
    pub when: Moment,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl History {
    /// The newest commits, at most `most` and never more than 10,000; none where nothing has been
    /// committed.
    ///
    /// # Errors
    ///
    /// Where the history cannot be read.
    pub fn log(&self, most: usize) -> Result<Vec<LogRow>, GitFault> {
        let repository = self.repository()?;
        let head = match self.head(&repository) {
            Err(GitFault::Empty { .. }) => return Ok(Vec::new()),
            head => head?,
        };
        let fault = |source| self.fault("list commits", source);
        let tags = self.tags(&repository)?;
        let mut walk = repository.revwalk().map_err(fault)?;
        walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME).map_err(fault)?;
        walk.push(head.id()).map_err(fault)?;
        let rows = walk.take(most.min(LOG_ROWS_MAX)).map(|id| {
            let commit = id.and_then(|id| repository.find_commit(id)).map_err(fault)?;
            let tags = tags.get(&commit.id()).cloned().unwrap_or_default();
            let (when, author, reason) = facts(&commit);
            Ok(LogRow { id: CommitId::new(commit.id()), when, author, reason, tags })
        });
        rows.collect()
    }

    /// Which tags name a commit.
    fn tags(&self, repository: &Repository) -> Result<HashMap<Oid, Vec<String>>, GitFault> {
        let fault = |source| self.fault("list tags", source);
        let mut tags: HashMap<Oid, Vec<String>> = HashMap::new();
        for reference in repository.references_glob("refs/tags/*").map_err(fault)?.take(TAGS_MAX) {
            let reference = reference.map_err(fault)?;
            // A tag may name something else than a commit.
            let Ok(commit) = reference.peel_to_commit() else { continue };
            tags.entry(commit.id()).or_default().push(line(reference.shorthand_bytes()));
        }
        tags.values_mut().for_each(|names| names.sort_unstable());
        Ok(tags)
    }

    /// Who last changed each of the lines, in the file as the last commit holds it; that is what the
    /// last reload read. `file` is relative to the policy's folder; 1 is the first line.
    ///
    /// # Errors
    ///
    /// Where the file is not in the history, is too large, or has not so many lines.
    pub fn blame(&self, file: &str, lines: RangeInclusive<u32>) -> Result<Vec<BlameRow>, GitFault> {
        let repository = self.repository()?;
        let there = self.lines(&repository, file)?;
        let (first, last) = (*lines.start(), *lines.end());
        if first == 0 || first > last || last > there || last - first >= BLAME_LINES_MAX {
            return Err(GitFault::NoLines { file: line(file.as_bytes()), there, first, last });
        }
        let fault = |source| self.fault("trace lines", source);
        let mut options = BlameOptions::new();
        options.min_line(usize::try_from(first).unwrap_or(usize::MAX));
        options.max_line(usize::try_from(last).unwrap_or(usize::MAX));
        let blame = repository.blame_file(Path::new(file), Some(&mut options)).map_err(fault)?;
        let rows = lines.map(|number| {
            let at = usize::try_from(number).unwrap_or(usize::MAX);
            let hunk = blame
                .get_line(at)
                .ok_or_else(|| fault(git2::Error::from_str("libgit2 says nothing of this line")))?;
            let commit = repository.find_commit(hunk.final_commit_id()).map_err(fault)?;
            let (when, author, reason) = facts(&commit);
            Ok(BlameRow { line: number, id: CommitId::new(commit.id()), when, author, reason })
        });
        rows.collect()
    }

    /// How many lines a file has in the last commit.
    fn lines(&self, repository: &Repository, file: &str) -> Result<u32, GitFault> {
        let not_kept = || GitFault::NotKept { file: line(file.as_bytes()) };
        let path = Path::new(file);
        if file.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(not_kept());
        }
        let tree =
            self.head(repository)?.tree().map_err(|source| self.fault("trace lines", source))?;
        let entry = tree.get_path(path).map_err(|_| not_kept())?;
        let odb = repository.odb().map_err(|source| self.fault("trace lines", source))?;
        let (bytes, kind) =
            odb.read_header(entry.id()).map_err(|source| self.fault("trace lines", source))?;
        if kind != git2::ObjectType::Blob {
            return Err(not_kept());
        }
        let bytes = bytes as u64;
        if bytes > BLAME_BYTES_MAX {
            let file = line(file.as_bytes());
            return Err(GitFault::LargeFile { file, bytes, most: BLAME_BYTES_MAX });
        }
        let blob =
            repository.find_blob(entry.id()).map_err(|source| self.fault("trace lines", source))?;
        let content = blob.content();
        let ends = content.iter().filter(|byte| **byte == b'\n').count();
        let unfinished = usize::from(content.last().is_some_and(|byte| *byte != b'\n'));
        Ok(u32::try_from(ends + unfinished).unwrap_or(u32::MAX))
    }

    /// What differs between a commit and the folder as it is now, as a unified diff. Files above 1 MiB
    /// are named without their lines, and the text ends at 1 MiB with a line that says so. Control
    /// characters other than tab and line end are written as escapes.
    ///
    /// # Errors
    ///
    /// Where there is no such commit, or the history cannot be read.
    pub fn diff(&self, from: &Revision) -> Result<String, GitFault> {
        let repository = self.repository()?;
        let fault = |source| self.fault("compare", source);
        let tree = self.resolve(&repository, from)?.tree().map_err(fault)?;
        let mut options = DiffOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).show_untracked_content(true);
        options.ignore_submodules(true).context_lines(DIFF_CONTEXT).max_size(DIFF_FILE_BYTES_MAX);
        let diff = repository
            .diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options))
            .map_err(fault)?;
        let mut text = String::new();
        let mut cut = false;
        let printed = diff.print(DiffFormat::Patch, |delta, _, part| {
            if text.len() + part.content().len() > DIFF_BYTES_MAX {
                cut = true;
                return false;
            }
            match part.origin_value() {
                DiffLineType::Binary => text.push_str(&unread(&delta)),
                DiffLineType::Addition | DiffLineType::Deletion | DiffLineType::Context => {
                    text.push(part.origin());
                    text.push_str(&printable(part.content()));
                }
                DiffLineType::FileHeader
                | DiffLineType::HunkHeader
                | DiffLineType::AddEOFNL
                | DiffLineType::DeleteEOFNL
                | DiffLineType::ContextEOFNL => text.push_str(&printable(part.content())),
            }
            true
        });
        if cut {
            text.push_str("... the rest is left out: the diff is longer than 1 MiB\n");
            return Ok(text);
        }
        printed.map_err(fault)?;
        Ok(text)
    }

    /// A tag goes before an id.
    fn resolve<'r>(
        &self,
        repository: &'r Repository,
        revision: &Revision,
    ) -> Result<Commit<'r>, GitFault> {
        let none = || GitFault::NoRevision { text: revision.to_string() };
        let fault = |source| self.fault("find the revision", source);
        match repository.find_reference(&format!("refs/tags/{revision}")) {
            Ok(tag) => return tag.peel_to_commit().map_err(fault),
            Err(other) if other.code() == ErrorCode::NotFound => {}
            Err(other) => return Err(fault(other)),
        }
        let prefix = revision.as_prefix().ok_or_else(none)?;
        repository.find_commit_by_prefix(prefix).map_err(|_| none())
    }
}

/// When, who and why.
fn facts(commit: &Commit<'_>) -> (Moment, String, String) {
    let author = commit.author();
    let when = Moment::from_unix_micros(author.when().seconds().saturating_mul(1_000_000));
    (when, line(author.name_bytes()), line(commit.message_bytes()))
}

/// Libgit2 names the file that it did not read `/dev/null`, as if it were gone.
fn unread(delta: &DiffDelta<'_>) -> String {
    let path = line(delta.new_file().path_bytes().unwrap_or_default());
    let what = match delta.status() {
        Delta::Added | Delta::Untracked => "is new",
        Delta::Deleted => "is gone",
        Delta::Modified
        | Delta::Renamed
        | Delta::Copied
        | Delta::Ignored
        | Delta::Typechange
        | Delta::Unmodified
        | Delta::Unreadable
        | Delta::Conflicted => "differs",
    };
    format!("{path} {what}; it is too large, or no text, to be shown by lines\n")
}

/// Text that does nothing to a terminal.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for one in String::from_utf8_lossy(bytes).chars() {
        if one.is_control() && !matches!(one, '\n' | '\t') {
            text.extend(one.escape_default());
        } else {
            text.push(one);
        }
    }
    text
}
