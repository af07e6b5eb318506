//! What the store is, for whoever looks at it: its file, its tables and their rows.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Store, StoreFault, with_ending};

/// Tables that are shown at most; ours are a handful.
const TABLES_MAX: usize = 100;

/// What the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFacts {
    /// The file.
    pub path: PathBuf,
    /// The version of its tables.
    pub schema: u32,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the log of changes beside it.
    pub wal_bytes: u64,
    /// Tables and their rows, by name.
    pub tables: Vec<(String, u64)>,
    /// Files of built sets.
    pub set_files: u64,
    /// Their bytes together.
    pub set_bytes: u64,
}

impl Store {
    /// The database that it is in, and its version.
    #[must_use]
    pub fn engine(&self) -> String {
        let version = self.connection.query_row("SELECT version()", [], |row| row.get(0));
        let version: String = version.unwrap_or_default();
        format!("DuckDB {}", version.trim_start_matches('v')).trim_end().to_owned()
    }

    /// What it is now.
    ///
    /// # Errors
    ///
    /// [`StoreFault`] where it cannot be read.
    pub fn facts(&self) -> Result<StoreFacts, StoreFault> {
        let fault = |source| {
            let action = "say what is in it";
            StoreFault::Database { path: PathBuf::new(), action, source }.at(&self.path)
        };
        let schema = "SELECT coalesce(max(version), 0) FROM schema_version";
        let schema = self.connection.query_row(schema, [], |row| row.get(0)).map_err(fault)?;
        let names = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name";
        let mut names = self.connection.prepare(names).map_err(fault)?;
        let names = names.query_map([], |row| row.get::<_, String>(0)).map_err(fault)?;
        let mut tables = Vec::new();
        for name in names.take(TABLES_MAX) {
            let name = name.map_err(fault)?;
            let count = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            let rows = self.connection.query_row(&count, [], |row| row.get(0)).map_err(fault)?;
            tables.push((name, rows));
        }
        let (set_files, set_bytes) = self.sets.totals();
        Ok(StoreFacts {
            path: self.path.clone(),
            schema,
            bytes: bytes_of(&self.path),
            wal_bytes: bytes_of(&with_ending(&self.path, ".wal")),
            tables,
            set_files,
            set_bytes,
        })
    }
}

/// The bytes of a file; of one that is not there, none. The file is looked at and not opened: closing
/// another handle of it would drop DuckDB's lock.
fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        let store = Store::open(&path).unwrap();
        fs::write(folder.path().join("sets/x.names"), "1234").unwrap();
        let facts = store.facts().unwrap();
        assert_eq!((facts.path, facts.schema), (path, 3));
        let names: Vec<&str> = facts.tables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["list", "revision", "rule", "schema_version"]);
        assert_eq!(facts.tables.last().unwrap().1, 3);
        assert_eq!((facts.set_files, facts.set_bytes), (1, 4));
        assert!(facts.bytes + facts.wal_bytes > 0);
        assert!(store.engine().starts_with("DuckDB 1."), "{}", store.engine());
        store.connection.execute_batch("DROP TABLE schema_version").unwrap();
        assert!(store.facts().is_err());
    }
}
