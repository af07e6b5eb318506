//! The verb `convert`: its arguments, and what it ends with.

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use eg_policy::lists::ListFiles;

use super::input::Input;
use super::run::{From, Setting, convert, is_lossless, write};
use crate::egpolicy::disk::{Disk, folder_names};
use crate::exit::Exit;
use crate::render::{self, Format};

/// The arguments of `convert`.
#[derive(Debug, clap::Args)]
pub struct ConvertArgs {
    /// What the input is written for.
    #[arg(long, value_enum)]
    from: FromWord,
    /// The configuration file, the list, or the folder of lists.
    input: PathBuf,
    /// The folder to write; it must not be there yet, or be empty.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// How to print and keep the loss report.
    #[arg(long, value_enum, default_value_t = ReportWord::Text)]
    format: ReportWord,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FromWord {
    Squidguard,
    Ufdbguard,
    E2guardian,
    Hosts,
    Adblock,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ReportWord {
    Text,
    Json,
}

/// The files of this machine.
struct Files;

impl Input for Files {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        ListFiles::read(&Disk, path).map_err(|why| why.to_string())
    }

    fn folder(&self, path: &Path) -> Result<Vec<String>, String> {
        folder_names(path).map_err(|why| why.to_string())
    }
}

/// Converts, writes the folder and prints the report.
///
/// # Errors
///
/// What standard output says.
pub fn run_convert(args: &ConvertArgs) -> io::Result<Exit> {
    let from = match args.from {
        FromWord::Squidguard => From::SquidGuard,
        FromWord::Ufdbguard => From::UfdbGuard,
        FromWord::E2guardian => From::E2guardian,
        FromWord::Hosts => From::Hosts,
        FromWord::Adblock => From::Adblock,
    };
    let format = match args.format {
        ReportWord::Text => Format::Text,
        ReportWord::Json => Format::Json,
    };
    let converted = match convert(from, &args.input, &Files, &Setting::here()) {
        Ok(converted) => converted,
        Err(faults) => {
            render::unconverted(&mut io::stderr().lock(), &faults)?;
            return Ok(Exit::Failed);
        }
    };
    if let Err(fault) = write(&converted, &args.out, format) {
        render::failure(&mut io::stderr().lock(), "egpolicy", &fault)?;
        return Ok(Exit::Failed);
    }
    render::converted(&mut io::stdout().lock(), &converted, &args.out, format)?;
    Ok(if is_lossless(&converted.draft.report) { Exit::Done } else { Exit::Losses })
}
