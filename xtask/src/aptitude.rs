//! Debian packages: which are missing, and how they come without starting a service or removing
//! anything.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use eg_tests::interrupt;

use crate::say;
use crate::steps;

/// Debian asks this program before a package starts a service; 101 means "do not".
const POLICY_RC_D: &str = "/usr/sbin/policy-rc.d";
const POLICY: &str =
    "#!/bin/sh\n# put here by `cargo xtask setup` while it installs; safe to remove\nexit 101\n";

/// The package with the scanner of regular expressions: Hyperscan where there is one, Vectorscan
/// elsewhere.
pub(crate) fn scanner() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "libhyperscan-dev",
        _ => "libvectorscan-dev",
    }
}

/// Whether a package is installed.
pub(crate) fn is_installed(package: &str) -> bool {
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null())
        .output();
    asked.is_ok_and(|output| output.stdout == b"installed")
}

/// Installs packages; removes none and starts no service.
///
/// # Errors
///
/// If there is no apt, no way to become root, Ctrl-C came, or apt fails; the message names the
/// packages.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let wanted = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("this needs the Debian packages `{wanted}`, and there is no apt-get: install them");
    }
    say::line(&format!("setup: installing `{wanted}` with apt (--no-remove, no service started)"));
    let _policy = Policy::put()?;
    let mut attempt = steps::check(&mut apt_install(packages)?);
    if attempt.is_err() {
        interrupt::check()?;
        say::line("setup: fetching the lists of packages, then trying again");
        let mut update = as_root("apt-get")?;
        steps::check(update.args(["update", "--quiet"]).stdout(std::io::stderr()))?;
        attempt = steps::check(&mut apt_install(packages)?);
    }
    attempt.with_context(|| format!("the packages `{wanted}` could not be installed"))
}

fn apt_install(packages: &[&str]) -> Result<Command> {
    let mut command = as_root("env")?;
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet"])
        .args(["--no-remove", "--no-install-recommends"])
        .args(packages)
        .stdin(Stdio::null())
        .stdout(std::io::stderr());
    Ok(command)
}

/// A command as root: itself, or through sudo.
fn as_root(program: &str) -> Result<Command> {
    if is_root()? {
        return Ok(Command::new(program));
    }
    if crate::paths::find_program("sudo").is_none() {
        bail!("installing packages needs root, and there is no sudo: run this as root once");
    }
    let mut command = Command::new("sudo");
    command.arg(program);
    Ok(command)
}

/// Whether this process may do anything, as its status file says.
fn is_root() -> Result<bool> {
    let status =
        fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    Ok(ids.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0"))
}

/// Keeps services from starting while it lives; only where nobody else has said something.
struct Policy {
    owner: Owner,
}

/// Who wrote a `policy-rc.d`, and so who may remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// This program, now or in a run that was killed.
    Setup,
    /// Somebody else.
    Other,
}

impl Owner {
    /// A file with exactly our text is ours: nobody else writes that.
    fn of(content: &[u8]) -> Self {
        if content == POLICY.as_bytes() { Self::Setup } else { Self::Other }
    }
}

impl Policy {
    fn put() -> Result<Self> {
        if Path::new(POLICY_RC_D).exists() {
            // What cannot be read is not ours, which everybody may read.
            let owner = fs::read(POLICY_RC_D).map_or(Owner::Other, |content| Owner::of(&content));
            say::line(&match owner {
                Owner::Setup => {
                    format!("setup: `{POLICY_RC_D}` is left from a run that was killed")
                }
                Owner::Other => format!("setup: `{POLICY_RC_D}` is not ours and stays as it is"),
            });
            return Ok(Self { owner });
        }
        if is_root()? {
            let mut options = fs::OpenOptions::new();
            let file = options.write(true).create_new(true).mode(0o755).open(POLICY_RC_D);
            let mut file = file.with_context(|| format!("cannot write `{POLICY_RC_D}`"))?;
            let policy = Self { owner: Owner::Setup };
            file.write_all(POLICY.as_bytes())?;
            return Ok(policy);
        }
        let mut child = as_root("install")?
            .args(["-m", "0755", "/dev/stdin", POLICY_RC_D])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start sudo")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(POLICY.as_bytes())?;
        }
        let policy = Self { owner: Owner::Setup };
        if !child.wait()?.success() {
            bail!("cannot write `{POLICY_RC_D}` through sudo");
        }
        Ok(policy)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        match self.owner {
            Owner::Setup => {}
            Owner::Other => return,
        }
        let removed = as_root("rm").and_then(|mut rm| steps::check(rm.args(["-f", POLICY_RC_D])));
        if let Err(fault) = removed {
            say::line(&format!("setup: remove `{POLICY_RC_D}` by hand: {fault:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exactly_our_text_is_ours() {
        let check = |content: &str, expected| {
            assert_eq!(Owner::of(content.as_bytes()), expected, "{content:?}");
        };
        check(POLICY, Owner::Setup);
        check("", Owner::Other);
        check("#!/bin/sh\nexit 101\n", Owner::Other);
        check(POLICY.trim_end(), Owner::Other);
        check(&format!("{POLICY}# and more\n"), Owner::Other);
    }
}
