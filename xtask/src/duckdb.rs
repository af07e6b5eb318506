//! The DuckDB library, in the order that the project settled: `DUCKDB_LIB_DIR`; else the official
//! prebuilt one out of an npm package, checked against its digest; else built from source by the
//! engine's feature `bundled-duckdb`, which takes about half an hour on two cores.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::{aptitude, paths, say, steps};

const VERSION: &str = "1.5.6-r.1";
const LIBRARY: &str = "libduckdb.so";
/// Tells which package the unpacked library came from.
const STAMP: &str = "libduckdb.sha256";

/// Where the engine gets DuckDB from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A folder with the library.
    Folder(PathBuf),
    /// The crate builds it.
    Bundled,
}

impl Source {
    /// Makes `command`, a cargo command on the whole workspace or on the engine, use this source.
    pub(crate) fn apply(&self, command: &mut Command) {
        match self {
            Self::Folder(folder) => {
                command.env("DUCKDB_LIB_DIR", folder);
            }
            Self::Bundled => {
                command.args(["--features", "eg-engine/bundled-duckdb"]);
            }
        }
    }
}

/// A published package: its name and the SHA-256 of its tarball.
struct Package {
    name: &'static str,
    sha256: &'static str,
}

/// The package for this machine. A digest has to be pinned before a package is trusted.
fn package() -> Option<Package> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Package {
            name: "@duckdb/node-bindings-linux-x64",
            sha256: "1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff",
        }),
        _ => None,
    }
}

/// Finds, fetches or decides to build the library.
///
/// # Errors
///
/// If `DUCKDB_LIB_DIR` holds no library, or what was fetched is not what was published.
pub(crate) fn provide() -> Result<Source> {
    if let Some(folder) = std::env::var_os("DUCKDB_LIB_DIR") {
        let folder = std::path::absolute(folder)?;
        if !folder.join(LIBRARY).is_file() {
            bail!(
                "DUCKDB_LIB_DIR is `{}`, where there is no {LIBRARY}: unset it or correct it",
                folder.display()
            );
        }
        return Ok(Source::Folder(folder));
    }
    let Some(package) = package() else {
        say::line(&format!(
            "setup: no digest of the prebuilt DuckDB library is pinned for {}: it will be built \
             from source, about half an hour on two cores; set DUCKDB_LIB_DIR to a folder with a \
             {LIBRARY} 1.5.6 to save that",
            std::env::consts::ARCH
        ));
        return Ok(Source::Bundled);
    };
    let folder = paths::cache()?.join("duckdb");
    if is_unpacked(&folder, &package) {
        return Ok(Source::Folder(folder));
    }
    if paths::find_program("npm").is_none()
        && let Err(fault) = aptitude::install(&["npm"])
    {
        say::line(&format!("setup: no npm ({fault:#}): DuckDB will be built from source"));
        return Ok(Source::Bundled);
    }
    say::line(&format!("setup: fetching {} {VERSION} with npm", package.name));
    fetch(&folder, &package)?;
    Ok(Source::Folder(folder))
}

fn is_unpacked(folder: &Path, package: &Package) -> bool {
    let stamp = fs::read_to_string(folder.join(STAMP)).unwrap_or_default();
    stamp.trim() == package.sha256 && folder.join(LIBRARY).is_file()
}

/// Fetches the tarball, checks it, unpacks the library beside it and renames it into place.
fn fetch(folder: &Path, package: &Package) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let fetched = folder.join("npm");
    if fetched.exists() {
        fs::remove_dir_all(&fetched)?;
    }
    fs::create_dir_all(&fetched)?;
    let spec = format!("{}@{VERSION}", package.name);
    steps::output(Command::new("npm").args(["pack", "--silent", &spec]).current_dir(&fetched))?;
    let tarball = fs::read_dir(&fetched)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
        .with_context(|| format!("npm left no tarball in `{}`", fetched.display()))?;
    let bytes = fs::read(&tarball)?;
    let found = hexadecimal(&Sha256::digest(&bytes));
    if found != package.sha256 {
        bail!(
            "the tarball of `{spec}` has the SHA-256 {found}, not the pinned {}: it is not used",
            package.sha256
        );
    }
    let library = unpack(&bytes)?;
    let aside = folder.join("libduckdb.so.new");
    fs::write(&aside, library)?;
    fs::rename(&aside, folder.join(LIBRARY))?;
    fs::write(folder.join(STAMP), package.sha256)?;
    fs::remove_dir_all(&fetched)?;
    Ok(())
}

fn unpack(tarball: &[u8]) -> Result<Vec<u8>> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(tarball));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.as_ref() == Path::new("package").join(LIBRARY) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
    }
    bail!("the package holds no `package/{LIBRARY}`")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
