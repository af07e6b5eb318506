//! `egctl`: asks an engine, and tells it what to do. Reads its arguments, runs the verb, gives the exit
//! code.

use std::process::ExitCode;

use eg_ctl::client::install_provider;
use eg_ctl::egctl::run;
use eg_ctl::exit::Exit;

fn main() -> ExitCode {
    install_provider();
    // A closed pipe on standard output is a failure like any other, and has no one left to tell.
    run(std::env::args_os()).unwrap_or(Exit::Failed).into()
}
