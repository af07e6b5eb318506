//! Where tests find what lies outside the crate, and how they say that they were left out without it.
//!
//! The large real data lies outside the repository: `EG_SHARED_DATA` names its folder, else `shared/data` beside
//! the workspace is taken. `cargo xtask test` gathers what was left out by way of the file that
//! `EG_TESTS_SKIPPED` names, since a runner hides what a test prints that passes.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A file or folder of the clone. At run time: with a build folder that clones share, another clone may
/// have built this. `eg_settings::in_tree` is the same for crates that are not pure.
pub(crate) fn in_tree(path: &str) -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    Path::new(&own).join("../..").join(path)
}

/// The folder, or nothing and a note that `test` was left out.
pub(crate) fn folder_or_skip(test: &str) -> Option<PathBuf> {
    let beside = || in_tree("../shared/data");
    let folder = std::env::var_os("EG_SHARED_DATA").map_or_else(beside, PathBuf::from);
    if folder.join("README.md").is_file() {
        return Some(folder);
    }
    let line = format!("{test}\t`../shared/data` is not there (EG_SHARED_DATA names another)\n");
    say(&format!("skipped: {line}"));
    if let Some(path) = std::env::var_os("EG_TESTS_SKIPPED") {
        let mut notes = File::options().create(true).append(true).open(path).unwrap();
        notes.write_all(line.as_bytes()).unwrap();
    }
    None
}

/// Prints what a test found and a reader may want to see.
pub(crate) fn say(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}
