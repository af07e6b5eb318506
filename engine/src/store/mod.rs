//! The store: DuckDB for what is small and the truth, files named by digest beside it for what is
//! large and can be made again (ADR 0007). The only module that knows DuckDB.
//!
//! There is one writer: whoever owns the [`Store`]. Requests never come near it.
//!
//! INVARIANT: nothing else in the process opens the database file: with POSIX locks, closing any
//! other handle of it would drop DuckDB's lock.

mod migrate;
mod policy;
mod sets;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use duckdb::{AccessMode, Connection};
use nix::sys::stat::{Mode, umask};

pub use policy::StoredPolicy;
pub use sets::{SetFiles, SetKind};

/// DuckDB's magic number, and where it stands in a file.
const MAGIC: &[u8; 4] = b"DUCK";
const MAGIC_OFFSET: usize = 8;

/// The store holds rules and digests, no names; this is plenty.
const MEMORY_MAX: &str = "256MB";

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// The file is something else.
    #[error(
        "`{}` is not a DuckDB file, so it is left alone; `[database] database_file` must name the \
         engine's own store, or a file that does not exist yet", path.display()
    )]
    NotDuckDb {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("`{}` is in use by another process; does another engine run on it? ({detail})", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// What DuckDB said.
        detail: String,
    },
    /// DuckDB cannot read its own file any more.
    #[error("DuckDB cannot read the store `{}`: {detail}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What DuckDB said.
        detail: String,
    },
    /// A later version wrote it.
    #[error(
        "the store has schema {found} and this version knows {known}; use the newer engine, or move the store away so that it is made again from the files"
    )]
    Newer {
        /// Its schema.
        found: u32,
        /// The newest schema that is known here.
        known: u32,
    },
    /// What it says about the policy makes no sense.
    #[error(
        "the policy in the store `{}` is not what was written: {what}; move the store away so that \
         it is made again from the files", path.display()
    )]
    Policy {
        /// The store.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The database refused a statement.
    #[error(
        "the store `{}` refused to {action}; see to its disk and its owner, or move it away so that \
         it is made again from the files", path.display()
    )]
    Database {
        /// The store.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What DuckDB said.
        #[source]
        source: duckdb::Error,
    },
    /// DuckDB cannot open it for a reason that says nothing against its content.
    #[error(
        "DuckDB cannot open the store `{}`, which is left as it is; see to its disk, its owner and \
         its version: {detail}", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What DuckDB said.
        detail: String,
    },
    /// A file or folder of the store.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StoreFault {
    /// The same fault of the store at `path`; corruption that DuckDB found is told apart here.
    fn at(self, at: &Path) -> Self {
        let path = at.to_path_buf();
        match self {
            Self::Database { source, .. } if is_corruption(&source.to_string()) => {
                Self::Broken { path, detail: source.to_string() }
            }
            Self::Database { action, source, .. } => Self::Database { path, action, source },
            Self::Policy { what, .. } => Self::Policy { path, what },
            other @ (Self::NotDuckDb { .. }
            | Self::Locked { .. }
            | Self::Broken { .. }
            | Self::Open { .. }
            | Self::Newer { .. }
            | Self::File { .. }) => other,
        }
    }
}

/// While it lives, what DuckDB creates is for the owner alone: it has no setting for modes, and its
/// log appears with the first change.
struct Private(Mode);

impl Private {
    fn begin() -> Self {
        Self(umask(Mode::S_IRWXG | Mode::S_IRWXO))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        umask(self.0);
    }
}

/// The store, opened for writing.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    sets: SetFiles,
}

impl Store {
    /// Opens the store, or makes an empty one where there is no file. The folder is made too.
    ///
    /// # Errors
    ///
    /// [`StoreFault`]; a file that is not ours is not touched.
    pub fn open(path: &Path) -> Result<Self, StoreFault> {
        let file_fault = |action| {
            let path = path.to_path_buf();
            move |source| StoreFault::File { action, path, source }
        };
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        check_magic(path)?;
        let _private = Private::begin();
        fs::create_dir_all(folder).map_err(file_fault("make the folder of"))?;
        let connection = connect(path).map_err(|error| classify(path, &error))?;
        let sets = SetFiles::open(&folder.join("sets"))?;
        let mut store = Self { path: path.into(), connection, sets };
        migrate::migrate(&mut store.connection).map_err(|fault| fault.at(path))?;
        Ok(store)
    }

    /// Makes it refuse every policy, for a test of what is left then.
    #[cfg(test)]
    pub(crate) fn break_it(&self) {
        self.connection.execute_batch("DROP TABLE revision").unwrap();
    }

    /// The set files beside the database.
    #[must_use]
    pub const fn sets(&self) -> &SetFiles {
        &self.sets
    }
}

/// Where a store is made anew while a broken one still has its place. What is left there of an
/// earlier attempt is removed.
///
/// # Errors
///
/// When it cannot be removed.
pub fn fresh_path(path: &Path) -> Result<PathBuf, StoreFault> {
    let fresh = with_ending(path, ".new");
    for old in [&fresh, &with_ending(&fresh, ".wal")] {
        match fs::remove_file(old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(StoreFault::File { action: "remove", path: old.clone(), source });
            }
            Ok(()) => {}
        }
    }
    Ok(fresh)
}

/// Puts the store that was made at [`fresh_path`] in the place of the broken one, which is moved
/// aside with its log. Gives the broken one's new name. Neither may be open.
///
/// # Errors
///
/// When one cannot be renamed.
pub fn replace(path: &Path, fresh: &Path, now: jiff::Timestamp) -> Result<PathBuf, StoreFault> {
    let aside = move_aside(path, now)?;
    rename_both(fresh, path)?;
    Ok(aside)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Renames a store and its log, which DuckDB looks for under the store's name and `.wal`.
fn rename_both(from: &Path, to: &Path) -> Result<(), StoreFault> {
    let rename = |from: &Path, to: &Path| {
        let fault = |source| StoreFault::File { action: "rename", path: from.into(), source };
        fs::rename(from, to).map_err(fault)
    };
    let log = with_ending(from, ".wal");
    if log.exists() {
        rename(&log, &with_ending(to, ".wal"))?;
    }
    rename(from, to)
}

fn move_aside(path: &Path, now: jiff::Timestamp) -> Result<PathBuf, StoreFault> {
    let aside = with_ending(path, &format!(".broken-{}", now.as_second()));
    rename_both(path, &aside)?;
    Ok(aside)
}

/// Looks at the file before DuckDB does, which would otherwise take an empty one for its own.
fn check_magic(path: &Path) -> Result<(), StoreFault> {
    let fault = |source| StoreFault::File { action: "read", path: path.into(), source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fault(error)),
    };
    let not_ours = || StoreFault::NotDuckDb { path: path.into() };
    if !file.metadata().map_err(fault)?.is_file() {
        return Err(not_ours());
    }
    let mut front = Vec::new();
    file.take(16).read_to_end(&mut front).map_err(fault)?;
    if front.get(MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()) == Some(MAGIC.as_slice()) {
        Ok(())
    } else {
        Err(not_ours())
    }
}

/// Opens DuckDB with everything off that reaches beyond its file: no extensions are fetched or
/// loaded, no statement reads other files, and nothing can turn that back on.
fn connect(path: &Path) -> Result<Connection, duckdb::Error> {
    let config = duckdb::Config::default()
        .access_mode(AccessMode::ReadWrite)?
        .enable_autoload_extension(false)?
        .enable_external_access(false)?
        .threads(1)?
        .max_memory(MEMORY_MAX)?
        .with("autoinstall_known_extensions", "false")?;
    let connection = Connection::open_with_flags(path, config)?;
    connection.execute_batch("SET lock_configuration = true")?;
    Ok(connection)
}

/// What a failure to open means. DuckDB tells them apart by words alone.
fn classify(path: &Path, error: &duckdb::Error) -> StoreFault {
    let detail = error.to_string();
    if detail.contains("Could not set lock") || detail.contains("Conflicting lock") {
        StoreFault::Locked { path: path.into(), detail }
    } else if is_corruption(&detail) {
        StoreFault::Broken { path: path.into(), detail }
    } else {
        StoreFault::Open { path: path.into(), detail }
    }
}

/// Whether DuckDB speaks of what the file holds, and not of the disk, the mode or the version.
fn is_corruption(detail: &str) -> bool {
    let detail = detail.to_ascii_lowercase();
    ["corrupt", "failed to deserialize", "could not read enough bytes"]
        .iter()
        .any(|sign| detail.contains(sign))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_store_is_made_where_there_is_none_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/engine.db");
        for _ in 0..2 {
            let store = Store::open(&path).unwrap();
            assert!(store.load_policy().unwrap().is_none());
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path.with_file_name("sets")), 0o700);
    }

    #[test]
    fn what_is_not_a_store_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        for bytes in [&b""[..], b"DUCK", b"a letter to my grandmother", b"12345678DUC"] {
            fs::write(&path, bytes).unwrap();
            assert!(matches!(Store::open(&path), Err(StoreFault::NotDuckDb { .. })));
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert!(matches!(Store::open(folder.path()), Err(StoreFault::NotDuckDb { .. })));
    }

    #[test]
    fn a_broken_store_is_told_apart_and_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        drop(Store::open(&path).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        for byte in bytes.iter_mut().skip(16) {
            *byte ^= 0x5a;
        }
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreFault::Broken { .. })));
        fs::write(with_ending(&path, ".wal"), "log").unwrap();
        let aside = move_aside(&path, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(fs::read(with_ending(&aside, ".wal")).unwrap(), b"log");
        assert_eq!(fs::read(aside).unwrap(), bytes);
        Store::open(&path).unwrap();
    }

    #[test]
    fn only_corruption_makes_a_store_broken() {
        for (said, expected) in [
            ("IO Error: Corrupt database file: computed checksum 1 does not match", true),
            ("Serialization Error: Failed to deserialize: field id mismatch", true),
            ("IO Error: Could not read enough bytes from file \"a\"", true),
            ("IO Error: Cannot open file \"a\": Permission denied", false),
            ("IO Error: Cannot open file \"a\": Too many open files", false),
            ("IO Error: Could not write file: No space left on device", false),
            ("IO Error: Trying to read a database file with version number 99", false),
            ("Out of Memory Error: failed to allocate", false),
        ] {
            assert_eq!(is_corruption(said), expected, "{said}");
        }
    }

    #[test]
    fn the_store_reaches_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("engine.db")).unwrap();
        for statement in [
            "SELECT * FROM read_csv('/etc/passwd')",
            "COPY rule TO '/tmp/enforcegate-must-not-appear.csv'",
            "ATTACH '/tmp/enforcegate-must-not-appear.db'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
        ] {
            assert!(store.connection.execute_batch(statement).is_err(), "{statement}");
        }
    }
}
