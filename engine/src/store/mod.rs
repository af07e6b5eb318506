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
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use duckdb::{AccessMode, Connection};

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
    #[error("the store's policy cannot be read: {what}")]
    Policy {
        /// What is wrong.
        what: String,
    },
    /// The database refused a statement.
    #[error("the store refused to {action}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// What DuckDB said.
        #[source]
        source: duckdb::Error,
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

/// The store, opened for writing.
#[derive(Debug)]
pub struct Store {
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
        let before = check_magic(path)?;
        fs::create_dir_all(folder).map_err(file_fault("make the folder of"))?;
        let connection = connect(path).map_err(|error| classify(path, &error))?;
        if before == Before::Absent {
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(path, mode).map_err(file_fault("set the mode of"))?;
        }
        let mut store = Self { connection, sets: SetFiles::open(&folder.join("sets"))? };
        migrate::migrate(&mut store.connection)?;
        Ok(store)
    }

    /// The set files beside the database.
    #[must_use]
    pub const fn sets(&self) -> &SetFiles {
        &self.sets
    }
}

/// Moves a broken store aside, with its log, so that it can be made again. Gives the new name.
///
/// # Errors
///
/// When it cannot be renamed.
pub fn move_aside(path: &Path, now: jiff::Timestamp) -> Result<PathBuf, StoreFault> {
    let renamed = |from: &Path| {
        let mut name = from.as_os_str().to_owned();
        name.push(format!(".broken-{}", now.as_second()));
        let to = PathBuf::from(name);
        fs::rename(from, &to).map(|()| to).map_err(|source| StoreFault::File {
            action: "move aside",
            path: from.into(),
            source,
        })
    };
    let mut log = path.as_os_str().to_owned();
    log.push(".wal");
    let log = PathBuf::from(log);
    if log.exists() {
        renamed(&log)?;
    }
    renamed(path)
}

/// Whether there was a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Absent,
    Present,
}

/// Looks at the file before DuckDB does, which would otherwise take an empty one for its own.
fn check_magic(path: &Path) -> Result<Before, StoreFault> {
    let fault = |source| StoreFault::File { action: "read", path: path.into(), source };
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::Absent),
        Err(error) => return Err(fault(error)),
    };
    let not_ours = || StoreFault::NotDuckDb { path: path.into() };
    if !file.metadata().map_err(fault)?.is_file() {
        return Err(not_ours());
    }
    let mut front = Vec::new();
    file.take(16).read_to_end(&mut front).map_err(fault)?;
    if front.get(MAGIC_OFFSET..MAGIC_OFFSET + MAGIC.len()) == Some(MAGIC.as_slice()) {
        Ok(Before::Present)
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
    } else {
        StoreFault::Broken { path: path.into(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_made_where_there_is_none_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/engine.db");
        for _ in 0..2 {
            let store = Store::open(&path).unwrap();
            assert!(store.load_policy().unwrap().is_none());
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
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
        let aside = move_aside(&path, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(fs::read(aside).unwrap(), bytes);
        Store::open(&path).unwrap();
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
