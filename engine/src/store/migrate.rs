//! The schema's versions: one file each, applied in order, each in a transaction of its own.

use std::path::PathBuf;

use duckdb::Connection;

use super::StoreFault;

/// The migrations; the first makes schema 1.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/001.sql"),
    include_str!("schema/002.sql"),
    include_str!("schema/003.sql"),
];

/// Brings the schema up to the newest version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreFault> {
    let fault = |source| StoreFault::Database {
        path: PathBuf::new(),
        action: "bring its schema up to date",
        source,
    };
    connection
        .execute_batch("CREATE TABLE IF NOT EXISTS schema_version (version UINTEGER NOT NULL)")
        .map_err(fault)?;
    let found: u32 = connection
        .query_row("SELECT coalesce(max(version), 0) FROM schema_version", [], |row| row.get(0))
        .map_err(fault)?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreFault::Newer { found, known });
    }
    for (version, statements) in (1u32..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let transaction = connection.transaction().map_err(fault)?;
        transaction.execute_batch(statements).map_err(fault)?;
        transaction.execute("INSERT INTO schema_version VALUES (?)", [version]).map_err(fault)?;
        transaction.commit().map_err(fault)?;
    }
    Ok(())
}
