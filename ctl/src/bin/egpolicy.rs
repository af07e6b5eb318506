//! `egpolicy`: checks and formats policies. Reads its arguments, runs the verb, gives the exit code.

use std::process::ExitCode;

use clap::Parser as _;
use eg_ctl::client::install_provider;
use eg_ctl::egpolicy::{Args, run};
use eg_ctl::exit::Exit;

fn main() -> ExitCode {
    install_provider();
    // A closed pipe on standard output is a failure like any other, and has no one left to tell.
    run(Args::parse()).unwrap_or(Exit::Failed).into()
}
