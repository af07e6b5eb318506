//! Where the clone is, where built things go, and what is kept between runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The folder of the workspace. Cargo says where that is, at run time: with a build folder that clones
/// share, the program may have been built from another one.
pub(crate) fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set: run it as `cargo xtask`")?;
    Path::new(&own)
        .parent()
        .map(Path::to_path_buf)
        .context("the folder of xtask has no parent: run it from a clone")
}

/// Whether this is a build server, where the clone is new each time.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// The folder that cargo builds into: `CARGO_TARGET_DIR`, else outside the clone on a build server,
/// else `target`.
pub(crate) fn target() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(std::path::absolute(folder)?);
    }
    if is_ci() { Ok(cache()?.join("target")) } else { Ok(root()?.join("target")) }
}

/// The folder for what was downloaded or built and outlives a clone: below the user's cache on a
/// build server, else the target folder.
pub(crate) fn cache() -> Result<PathBuf> {
    if !is_ci() {
        return target();
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME").context(
            "neither XDG_CACHE_HOME nor HOME is set: there is no place for what is kept between \
             runs; set CARGO_TARGET_DIR and HOME",
        )?)
        .join(".cache"),
    };
    Ok(base.join("enforcegate"))
}

/// The first `program` on `PATH`, or in the folders where Debian keeps programs of root.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
