//! Runs commands as named steps and keeps how each went, for the summary at the end.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use eg_tests::interrupt;

use crate::say;

/// How one step went.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It did what it should.
    Passed,
    /// It did not, and why.
    Failed(String),
    /// It was left out, and why.
    Skipped(String),
}

/// One step of a chore.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    time: Duration,
    outcome: Outcome,
}

/// The steps of a chore in the order they were run.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

impl Steps {
    /// Runs `work` as a step. A failure is kept and the next step runs: one run shows all faults.
    /// After Ctrl-C no further step begins.
    pub(crate) fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> bool {
        say::line(&format!("\n== {name}"));
        let start = Instant::now();
        let outcome = match interrupt::check().and_then(|()| work()) {
            Ok(()) => Outcome::Passed,
            Err(fault) => {
                say::line(&format!("{name}: {fault:#}"));
                Outcome::Failed(format!("{fault:#}"))
            }
        };
        let passed = matches!(outcome, Outcome::Passed);
        self.done.push(Step { name: name.to_owned(), time: start.elapsed(), outcome });
        passed
    }

    /// Notes that something was left out.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        let outcome = Outcome::Skipped(why.to_owned());
        self.done.push(Step { name: name.to_owned(), time: Duration::ZERO, outcome });
    }

    /// The summary: a line a step.
    pub(crate) fn summary(&self) -> String {
        let width = self.done.iter().map(|step| step.name.len()).max().unwrap_or(0);
        let lines = self.done.iter().map(|Step { name, time, outcome }| {
            let seconds = time.as_secs_f64();
            match outcome {
                Outcome::Passed => format!("ok      {name:width$} {seconds:8.1} s"),
                Outcome::Failed(why) => format!("FAILED  {name:width$} {seconds:8.1} s  {why}"),
                Outcome::Skipped(why) => format!("skipped {name:width$}             {why}"),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Whether no step failed.
    pub(crate) fn all_passed(&self) -> bool {
        self.done.iter().all(|step| match step.outcome {
            Outcome::Passed | Outcome::Skipped(_) => true,
            Outcome::Failed(_) => false,
        })
    }
}

/// Runs a command whose output goes where ours goes.
///
/// # Errors
///
/// If it cannot be started or does not end with 0.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// Runs a command and gives its stdout.
///
/// # Errors
///
/// If it cannot be started or does not end with 0; its stderr is in the message.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let shown = shown(command);
    let output = command.output().with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` ended with {}: {}", output.status, stderr.trim());
    }
    Ok(output.stdout)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
