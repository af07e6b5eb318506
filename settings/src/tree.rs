//! What tests read of the clone: where its files lie, and that a page of the manual is what the code
//! makes of it. No program calls this.
//!
//! INVARIANT: the place of the clone is asked for at run time. With a build folder that clones share, a
//! test may have been built from another clone, and what was compiled in would name that one.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Set where a test is to write its part of the manual instead of comparing it.
const WRITE: &str = "EG_WRITE_MANUAL";

/// Why a file of the clone does not serve a test.
#[derive(Debug, thiserror::Error)]
pub enum TreeFault {
    /// Cargo did not start this.
    #[error("CARGO_MANIFEST_DIR is not set: run it by cargo")]
    NotByCargo,
    /// No folder above holds the lock file.
    #[error("no folder above `{0}` holds `Cargo.lock`: run it in a clone")]
    NoClone(PathBuf),
    /// A page cannot be read or written.
    #[error("cannot read or write `{0}`")]
    Page(PathBuf, #[source] io::Error),
    /// A page has no place for what is made.
    #[error("`{0}` has no lines between which the code's part stands")]
    NoPlace(PathBuf),
    /// A page differs from what is made.
    #[error("`{0}` is not what the code makes of it: run this test with EG_WRITE_MANUAL=1")]
    Stale(PathBuf),
}

/// A file or folder of the clone whose tests cargo runs.
///
/// # Errors
/// When this does not run by cargo in a clone.
pub fn in_tree(path: &str) -> Result<PathBuf, TreeFault> {
    let own = env::var_os("CARGO_MANIFEST_DIR").ok_or(TreeFault::NotByCargo)?;
    let own = Path::new(&own);
    let root = own.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    Ok(root.ok_or_else(|| TreeFault::NoClone(own.to_path_buf()))?.join(path))
}

/// Compares a page, such as `docs/manual/engine.md`, with what `make` makes of it; `EG_WRITE_MANUAL=1`
/// writes it instead.
///
/// # Errors
/// When the page differs, has no place for what is made, or cannot be read.
pub fn hold_page(page: &str, make: impl FnOnce(&str) -> Option<String>) -> Result<(), TreeFault> {
    let path = in_tree(page)?;
    hold(path, make, env::var_os(WRITE).is_some().then_some(WRITE))
}

/// As [`hold_page`]; writes where `write` is the variable that asks for it.
fn hold(
    path: PathBuf,
    make: impl FnOnce(&str) -> Option<String>,
    write: Option<&str>,
) -> Result<(), TreeFault> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(fault) => return Err(TreeFault::Page(path, fault)),
    };
    let Some(wanted) = make(&text) else { return Err(TreeFault::NoPlace(path)) };
    if text == wanted {
        return Ok(());
    }
    if write.is_none() {
        return Err(TreeFault::Stale(path));
    }
    fs::write(&path, wanted).map_err(|fault| TreeFault::Page(path, fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clone_is_the_one_whose_tests_run() {
        assert!(in_tree("ARCHITECTURE.md").unwrap().is_file());
        assert!(in_tree("settings/src/tree.rs").unwrap().is_file());
    }

    #[test]
    fn a_page_is_compared_or_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.md");
        let check = |write, make: &dyn Fn(&str) -> Option<String>| hold(path.clone(), make, write);
        let upper = |text: &str| Some(text.to_uppercase());
        assert!(matches!(check(None, &upper), Err(TreeFault::Page(..))));
        fs::write(&path, "a\n").unwrap();
        assert!(matches!(check(None, &upper), Err(TreeFault::Stale(_))));
        assert!(matches!(check(Some(WRITE), &|_| None), Err(TreeFault::NoPlace(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\n");
        check(Some(WRITE), &upper).unwrap();
        check(None, &upper).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "A\n");
    }
}
