//! The large real lists and requests that lie beside some clones, and how a test says that it was left
//! out where they do not.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// Where the folder of large data is, when it is not beside the clone. Not `ENFORCEGATE_...`: those are
/// the engine's settings.
pub const FOLDER_VARIABLE: &str = "EG_SHARED_DATA";
/// The file that names the tests that were left out, a line each.
pub const SKIPPED_VARIABLE: &str = "EG_TESTS_SKIPPED";

/// The folder of the workspace. Cargo says where that is, at run time: with a build folder that clones
/// share, the program may have been built from another one. Without cargo it is the folder we are in.
#[must_use]
pub fn workspace() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    own.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new(".")).to_path_buf()
}

/// A file or folder of the large data, where it is there.
#[must_use]
pub fn data(path: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os(FOLDER_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => workspace().join("../shared/data"),
    };
    let path = folder.join(path);
    path.exists().then_some(path)
}

/// As [`data`]; where it is missing, notes that `test` was left out.
#[must_use]
pub fn data_or_skip(test: &str, path: &str) -> Option<PathBuf> {
    let found = data(path);
    if found.is_none() {
        skip(
            test,
            &format!("`../shared/data/{path}` is not there ({FOLDER_VARIABLE} names another)"),
        );
    }
    found
}

/// Notes that `test` was left out, and why.
pub fn skip(test: &str, why: &str) {
    let line = format!("{test}\t{why}\n");
    drop(std::io::stderr().lock().write_all(format!("skipped: {line}").as_bytes()));
    if let Some(path) = std::env::var_os(SKIPPED_VARIABLE)
        && let Ok(mut file) = File::options().create(true).append(true).open(path)
    {
        drop(file.write_all(line.as_bytes()));
    }
}

/// The text of a `.gz` file; bytes that are not UTF-8 are replaced.
///
/// # Errors
///
/// If it cannot be read.
pub fn read_gz(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Unpacks a `.tar.gz` into a folder.
///
/// # Errors
///
/// If `tar` does not take it.
pub fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    let status = tar.arg("xzf").arg(archive).arg("-C").arg(to).status().context("tar")?;
    anyhow::ensure!(status.success(), "cannot unpack `{}`: {status}", archive.display());
    Ok(())
}

/// The recorded request URLs in their order, with white space deleted, as Squid does.
///
/// # Errors
///
/// If the file cannot be read.
pub fn request_urls(path: &Path) -> Result<Vec<String>> {
    let text = read_gz(path)?;
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    let urls = rows.filter_map(|line| line.split('\t').next());
    Ok(urls
        .map(|url| url.split_whitespace().collect())
        .filter(|url: &String| !url.is_empty())
        .collect())
}
