//! Checks that no other tool makes: which of our crates may depend on which, how files open, how long
//! they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{paths, say, steps};

/// Lines of a file, its tests apart, past which a reader gets lost.
const LINES_MAX: usize = 600;

/// Who may depend on whom: the table of ARCHITECTURE.md. Nobody depends on the engine.
const EDGES: [(&str, &[&str]); 11] = [
    ("eg-proto", &[]),
    ("eg-settings", &[]),
    ("eg-policy", &[]),
    ("eg-engine", &["eg-policy", "eg-proto", "eg-settings"]),
    ("eg-connector", &["eg-proto", "eg-settings"]),
    ("eg-portal", &["eg-proto", "eg-settings"]),
    ("eg-ctl", &["eg-policy", "eg-proto", "eg-settings"]),
    ("eg-tests", &["eg-connector", "eg-policy", "eg-proto"]),
    ("eg-benches", &["eg-tests"]),
    ("eg-fuzz", &["eg-connector", "eg-ctl", "eg-policy", "eg-proto"]),
    ("xtask", &["eg-benches", "eg-tests"]),
];

/// TLS stacks that must not be part of a program: rustls with aws-lc-rs is the only one, and panics
/// where it has to choose. Build scripts may have their own.
const STRANGERS: [&str; 3] = ["ring", "openssl-sys", "native-tls"];

/// Runs all checks and prints every fault.
pub(crate) fn run() -> Result<ExitCode> {
    let faults = faults()?;
    for fault in &faults {
        say::line(&format!("tidy: {fault}"));
    }
    if faults.is_empty() {
        say::line("tidy: nothing to say");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

/// As a step of `cargo xtask test`.
pub(crate) fn check() -> Result<()> {
    let faults = faults()?;
    if !faults.is_empty() {
        bail!("{} faults:\n  {}", faults.len(), faults.join("\n  "));
    }
    Ok(())
}

fn faults() -> Result<Vec<String>> {
    let root = paths::root()?;
    let mut faults = edge_faults(&root)?;
    faults.extend(stranger_faults(&root)?);
    for path in source_files(&root)? {
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let shown = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        faults.extend(file_faults(&text).into_iter().map(|fault| format!("{shown}{fault}")));
    }
    Ok(faults)
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<PathBuf>,
}

fn edge_faults(root: &Path) -> Result<Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(root);
    let metadata: Metadata =
        serde_json::from_slice(&steps::output(&mut cargo)?).context("cargo metadata")?;
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let row = EDGES.iter().find(|(name, _)| *name == package.name);
        let Some((_, allowed)) = row else {
            faults.push(format!(
                "`{}` is not in the table of edges (xtask/src/tidy.rs)",
                package.name
            ));
            continue;
        };
        let ours = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        for dependency in ours.filter(|dependency| !allowed.contains(&dependency.name.as_str())) {
            faults.push(format!(
                "`{}` may not depend on `{}` (the table of ARCHITECTURE.md)",
                package.name, dependency.name
            ));
        }
    }
    Ok(faults)
}

fn stranger_faults(root: &Path) -> Result<Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--workspace", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let tree = steps::output(cargo.current_dir(root))?;
    let tree = String::from_utf8_lossy(&tree).into_owned();
    let found = |name: &&str| tree.lines().any(|line| line.split(' ').next() == Some(*name));
    let say =
        |name| format!("`{name}` is linked into a program: aws-lc-rs is the one TLS provider");
    Ok(STRANGERS.iter().filter(|name| found(name)).map(say).collect())
}

/// All `.rs` files that git knows or would take.
fn source_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.rs"]);
    let listed = steps::output(git.current_dir(root))?;
    let listed = String::from_utf8(listed).context("a file name is not UTF-8")?;
    let names = listed.split_terminator('\0').map(|name| root.join(name));
    Ok(names.filter(|path| path.is_file()).collect())
}

/// The faults of one file, each beginning with `:<line>: `.
fn file_faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(":1: does not open with `//!` and so does not say what it holds".to_owned());
    }
    let code_lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
    if code_lines > LINES_MAX {
        faults
            .push(format!(":{LINES_MAX}: {code_lines} lines without its tests; split it by idea"));
    }
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if index < code_lines && !line.is_ascii() {
            faults.push(format!(":{number}: a character that is not ASCII; write an escape"));
        }
        let attribute = line.trim_start();
        if attribute.starts_with("#[allow(") || attribute.starts_with("#![allow(") {
            faults
                .push(format!(":{number}: say #[expect(..., reason = \"...\")] instead of allow"));
        }
        if line.contains(concat!("env!(\"CARGO_MANIFEST", "_DIR")) {
            faults.push(format!(
                ":{number}: names the clone that built it, not the one that runs; read the variable \
                 at run time, as `eg_settings::in_tree`"
            ));
        }
        if let Some((_, rest)) = line.split_once(concat!("TO", "DO"))
            && line.contains("//")
            && !rest.starts_with("(#")
        {
            faults.push(format!(":{number}: a to-do carries the number of its issue, as (#12)"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let faults = file_faults(text);
        assert_eq!(faults.len(), expected.len(), "{text}: {faults:?}");
        for (fault, part) in faults.iter().zip(expected) {
            assert!(fault.contains(part), "{fault} should hold {part}");
        }
    }

    #[test]
    fn what_a_file_may_and_may_not_be() {
        check("//! Holds x.\n", &[]);
        check("fn main() {}\n", &["does not open"]);
        check("//! x\n#[allow(dead_code)]\nfn f() {}\n", &["expect"]);
        check("//! x\n// TODO(#3): more\n", &[]);
        check(concat!("//! x\n// TO", "DO: more\n"), &["number of its issue"]);
        check(concat!("//! x\nenv!(\"CARGO_MANIFEST", "_DIR\")\n"), &["the clone that built it"]);
        check("//! x\nvar_os(\"CARGO_MANIFEST_DIR\")\n", &[]);
        check("//! \u{e4}\n", &["ASCII"]);
        check("//! x\n#[cfg(test)]\n// \u{e4}\n", &[]);
        check(&format!("//! x\n{}", "//\n".repeat(600)), &["601 lines"]);
        check(&format!("//! x\n#[cfg(test)]\n{}", "//\n".repeat(600)), &[]);
    }

    #[test]
    fn the_edges_point_one_way() {
        for (name, allowed) in EDGES {
            for other in allowed {
                let (_, back) = EDGES.iter().find(|(row, _)| row == other).expect("a row");
                assert!(!back.contains(&name), "{name} and {other} depend on each other");
            }
        }
    }
}
