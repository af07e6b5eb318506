//! The program `enforcegate-engine`.

use std::process::ExitCode;

fn main() -> ExitCode {
    eg_engine::tls::install_provider();
    eg_engine::start::run(std::env::args_os())
}
