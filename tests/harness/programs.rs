//! Where the programs under test lie: beside the test, in the folder that cargo built it into.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The programs of ours that an installation runs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `enforcegate-engine`
    pub engine: PathBuf,
    /// `enforcegate-squid-connector`
    pub connector: PathBuf,
    /// `enforcegate-portal`
    pub portal: PathBuf,
    /// `egctl`
    pub egctl: PathBuf,
}

impl Programs {
    /// Those beside the running test or chore.
    ///
    /// # Errors
    ///
    /// If one is missing; the message says how to build it.
    pub fn beside_this_one() -> Result<Self> {
        Self::in_folder(&own_folder()?)
    }

    /// Those in `folder`.
    ///
    /// # Errors
    ///
    /// If one is missing; the message says how to build it.
    pub fn in_folder(folder: &Path) -> Result<Self> {
        let find = |name: &str| {
            let path = folder.join(name);
            if !path.is_file() {
                bail!("`{}` is not there: `cargo build --workspace` makes it", path.display());
            }
            Ok(path)
        };
        Ok(Self {
            engine: find("enforcegate-engine")?,
            connector: find("enforcegate-squid-connector")?,
            portal: find("enforcegate-portal")?,
            egctl: find("egctl")?,
        })
    }
}

/// A program of the harness itself, beside the running test or chore.
///
/// # Errors
///
/// If it is missing.
pub fn beside_this_one(name: &str) -> Result<PathBuf> {
    let path = own_folder()?.join(name);
    anyhow::ensure!(path.is_file(), "`{}` is not there: build `eg-tests`", path.display());
    Ok(path)
}

/// The folder that cargo builds programs into.
fn own_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let folder = own.parent().context("this program lies in no folder")?;
    // Tests lie one folder deeper, in `deps`.
    let folder = match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder),
        Some(_) | None => folder,
    };
    Ok(folder.to_path_buf())
}

/// A program of the system: on `PATH` or where Debian keeps those of root.
#[must_use]
pub fn of_the_system(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/usr/lib/squid"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
