//! Installs what a build and a run need. The second run finds everything there and is done at once.

use std::process::Command;

use anyhow::{Result, bail};
use eg_tests::interrupt;

use crate::duckdb::{self, Source};
use crate::hyperscan::{self, Root};
use crate::{aptitude, paths, say};

/// What a run needs that the clone does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Ready {
    /// Where the DuckDB library comes from.
    duckdb: Source,
    /// Where the scanner of regular expressions comes from.
    hyperscan: Root,
}

impl Ready {
    /// Makes `command`, a cargo command on the whole workspace or on the engine, find the libraries.
    pub(crate) fn apply(&self, command: &mut Command) {
        self.duckdb.apply(command);
        self.hyperscan.apply(command);
    }
}

/// Checks, installs, and says what it does. From here on Ctrl-C sets a flag (`eg_tests::interrupt`):
/// what is put there for the length of an installation has to be taken away again.
///
/// # Errors
///
/// If another Squid is installed, which apt would have to remove, something cannot be had, or Ctrl-C
/// came.
pub(crate) fn run() -> Result<Ready> {
    interrupt::catch()?;
    if aptitude::is_installed("squid") {
        bail!(
            "the package `squid` is installed; this needs `squid-openssl`, and Debian lets only \
             one of them be there: nothing was changed. Remove `squid` yourself if you do not \
             need it, or use another machine"
        );
    }
    let missing = missing_packages();
    if missing.is_empty() {
        say::line("setup: all packages are there");
    } else {
        aptitude::install(&missing)?;
    }
    interrupt::check()?;
    let duckdb = duckdb::provide()?;
    interrupt::check()?;
    match &duckdb {
        Source::Folder(folder) => {
            say::line(&format!("setup: DuckDB library in {}", folder.display()));
        }
        Source::Bundled => say::line("setup: DuckDB is built from source"),
    }
    Ok(Ready { duckdb, hyperscan: hyperscan::provide()? })
}

fn missing_packages() -> Vec<&'static str> {
    // squidGuard for what a conversion is proved beside, in the tests, and measured beside; tmux for the
    // terminal that a test drives the shell in.
    let wanted = [aptitude::scanner(), "pkg-config", "squid-openssl", "squidguard", "tmux"];
    let mut missing: Vec<_> =
        wanted.into_iter().filter(|package| !aptitude::is_installed(package)).collect();
    for (program, package) in [("cc", "gcc"), ("c++", "g++")] {
        if paths::find_program(program).is_none() {
            missing.push(package);
        }
    }
    missing
}
