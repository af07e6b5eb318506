//! `cargo xtask test`: what CI runs, and a newcomer. Every step runs even where one before it failed,
//! so that one run shows all faults; the summary at the end names each with its time.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::setup::{self, Ready};
use crate::steps::{self, Steps};
use crate::{paths, say, tidy};

/// Tools that a run needs, in versions that build on our toolchain.
const NEXTEST: Tool = Tool { name: "cargo-nextest", version: "0.9.151" };
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// The tests that start real programs.
const END_TO_END: &str = "package(eg-tests) & kind(test)";

struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Where cargo commands run and what they find.
struct Workshop {
    root: PathBuf,
    target: PathBuf,
    tools: PathBuf,
    ready: Ready,
    skipped: PathBuf,
}

/// Sets up, runs every step, prints the summary.
pub(crate) fn run() -> Result<ExitCode> {
    let target = paths::target()?;
    let workshop = Workshop {
        root: paths::root()?,
        tools: paths::cache()?.join("tools"),
        ready: setup::run()?,
        skipped: target.join("skipped-tests.txt"),
        target,
    };
    std::fs::create_dir_all(&workshop.target)?;
    std::fs::write(&workshop.skipped, "")?;
    let mut steps = Steps::default();
    steps.run("tools", || workshop.provide(&NEXTEST).and_then(|()| workshop.provide(&DENY)));
    workshop.check_sources(&mut steps);
    if steps.run("build", || workshop.cargo(&["build", "--workspace", "--all-targets"])) {
        workshop.check_behaviour(&mut steps);
    } else {
        steps.skip("tests", "the build failed");
    }
    workshop.note_skipped(&mut steps);
    say::line(&format!("\n{}", steps.summary()));
    Ok(if steps.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Workshop {
    fn check_sources(&self, steps: &mut Steps) {
        steps.run("rustfmt", || {
            steps::check(self.command().args(["fmt", "--all", "--", "--check"]))
        });
        steps.run("tidy", tidy::check);
        steps.run("cargo-deny", || {
            for manifest in ["Cargo.toml", "fuzz/program/Cargo.toml"] {
                let mut command = self.command();
                command.args(["deny", "--manifest-path", manifest, "--config", "deny.toml"]);
                command.args(["--log-level", "error", "check", "licenses", "bans", "sources"]);
                steps::check(&mut command)?;
            }
            Ok(())
        });
    }

    fn check_behaviour(&self, steps: &mut Steps) {
        steps.run("clippy", || {
            self.cargo_then(&["clippy", "--workspace", "--all-targets"], &["--", "-D", "warnings"])
        });
        let others = format!("not ({END_TO_END})");
        steps.run("nextest", || {
            self.cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "-E", &others])
        });
        steps.run("doctests", || self.cargo(&["test", "--workspace", "--doc", "--quiet"]));
        steps.run("rustdoc", || {
            let mut command = self.command();
            command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps"]);
            self.ready.apply(&mut command);
            steps::check(&mut command)
        });
        steps.run("end to end", || {
            self.cargo(&["nextest", "run", "--workspace", "--no-fail-fast", "-E", END_TO_END])
        });
    }

    /// What tests said that they left out; they write it to a file, since a runner hides what a test
    /// prints that passes.
    fn note_skipped(&self, steps: &mut Steps) {
        let noted = std::fs::read_to_string(&self.skipped).unwrap_or_default();
        for line in noted.lines() {
            let (test, why) = line.split_once('\t').unwrap_or((line, "no reason given"));
            steps.skip(test, why);
        }
    }

    /// A cargo command that uses our tools and our folders.
    fn command(&self) -> Command {
        let mut command = Command::new("cargo");
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("PATH", self.path())
            .env("EG_TESTS_SKIPPED", &self.skipped);
        command
    }

    fn path(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.tools.join("bin")).chain(std::env::split_paths(&path));
        std::env::join_paths(folders).unwrap_or(path)
    }

    fn cargo(&self, arguments: &[&str]) -> Result<()> {
        self.cargo_then(arguments, &[])
    }

    fn cargo_then(&self, arguments: &[&str], last: &[&str]) -> Result<()> {
        let mut command = self.command();
        command.args(arguments);
        self.ready.apply(&mut command);
        steps::check(command.args(last))
    }

    /// Takes a tool that is there, else builds it into the folder of tools.
    fn provide(&self, tool: &Tool) -> Result<()> {
        let own = self.tools.join("bin").join(tool.name);
        if Path::exists(&own) || paths::find_program(tool.name).is_some() {
            return Ok(());
        }
        say::line(&format!("tools: building {} {} once", tool.name, tool.version));
        let mut command = Command::new("cargo");
        command
            .args(["install", "--locked", tool.name, "--version", tool.version, "--root"])
            .arg(&self.tools)
            .env("CARGO_TARGET_DIR", self.tools.join("target"));
        steps::check(&mut command).with_context(|| format!("cannot build {}", tool.name))
    }
}
