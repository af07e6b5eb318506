//! `cargo xtask`: chores in Rust. Reads the arguments, runs one chore, gives its exit code.

mod api_fuzz;
mod aptitude;
mod duckdb;
mod hyperscan;
mod paths;
mod say;
mod setup;
mod steps;

mod bench;
mod bench_control_flood;
mod bench_regex;
mod bench_failover;
mod bench_reload;
mod bench_reload_under_load;
mod demo;
mod diff_regex;
mod faults;
mod fuzz;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Installs what a build and a run need, and says what it does
    Setup,
    /// Builds everything, filters real requests with a real Squid, and stays up
    Demo {
        /// Ends after the table: 0, or 1 where a row is not as expected
        #[arg(long)]
        once: bool,
        /// Prints the table as JSON
        #[arg(long)]
        json: bool,
        /// Works below this folder and leaves it there; else below a temporary one
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// What CI runs: format, lints, tests, docs, dependencies, tidy, end to end
    Test,
    /// Checks what no other tool does: edges between crates, files and their openings
    Tidy,
    /// Holds the scanners of regexes against an answer that was worked out apart from them
    DiffRegex(diff_regex::Wish),
    /// Lets libFuzzer look for bytes that break what must hold; 1 where it finds some
    Fuzz {
        /// How long it looks, over all targets
        #[arg(long, default_value_t = 10)]
        minutes: u32,
        /// One target alone, a folder of fuzz/seeds
        #[arg(long)]
        target: Option<String>,
    },
    /// Lets schemathesis make requests out of the engine's own `OpenAPI` document; 1 where an answer is not in it
    ApiFuzz {
        /// How long
        #[arg(long, default_value_t = 5)]
        minutes: u32,
    },
    /// Breaks things at random and looks at what is left, more often than the tests do
    Faults {
        #[command(subcommand)]
        fault: faults::Fault,
    },
    /// Measures, and writes the result below benches/record
    Bench {
        #[command(subcommand)]
        bench: Bench,
    },
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The whole chain, lines in and answers out, beside squidGuard
    Chain,
    /// How long the engine takes to have the real regexes
    Regex,
    /// Two engines, one of them killed every second: what is lost, and how long answers take
    Failover,
    /// How long a change of the policy takes on top of 2.6 million names
    Reload,
    /// The Control API under attack: what that does to the answers of the data path
    ControlFlood,
    /// Two weeks of lists swapped back and forth under load: what is answered wrongly, and how long answers take
    ReloadUnderLoad,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Setup => setup::run().map(|_| ExitCode::SUCCESS),
        Chore::Demo { once, json, folder } => demo::run(&demo::Wish {
            stay: if once { demo::Stay::Once } else { demo::Stay::UntilInterrupted },
            form: if json { demo::Form::Json } else { demo::Form::Table },
            folder,
        }),
        Chore::Test => test::run(),
        Chore::Tidy => tidy::run(),
        Chore::DiffRegex(wish) => diff_regex::run(&wish),
        Chore::Fuzz { minutes, target } => fuzz::run(&fuzz::Wish { minutes, target }),
        Chore::ApiFuzz { minutes } => api_fuzz::run(minutes),
        Chore::Faults { fault } => faults::run(fault),
        Chore::Bench { bench: Bench::Chain } => bench::chain(),
        Chore::Bench { bench: Bench::Regex } => bench_regex::run(),
        Chore::Bench { bench: Bench::Failover } => bench_failover::run(),
        Chore::Bench { bench: Bench::Reload } => bench_reload::run(),
        Chore::Bench { bench: Bench::ControlFlood } => bench_control_flood::run(),
        Chore::Bench { bench: Bench::ReloadUnderLoad } => bench_reload_under_load::run(),
    };
    done.unwrap_or_else(|fault| {
        say::line(&format!("error: {fault:#}"));
        ExitCode::FAILURE
    })
}
