//! `enforcegate-squid-connector`: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    eg_connector::main_with(std::env::args_os()).into()
}
