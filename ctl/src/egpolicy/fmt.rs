//! `egpolicy fmt`: a policy file in its one form. A file with a fault of syntax is left alone, since
//! what cannot be read would be lost.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use eg_policy::diagnostic::{Diagnostic, Severity};
use eg_policy::sources::source_file;
use eg_policy::syntax::{parse, print};

use super::disk::Disk;

/// What to do with the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FmtMode {
    /// Write it to the file.
    Write,
    /// Only say whether it differs.
    Check,
    /// Print it.
    Print,
}

/// What came of it.
#[derive(Debug)]
pub enum Formatted {
    /// The file had that form already.
    Same,
    /// It had another; in [`FmtMode::Write`] it has it now.
    Changed,
    /// The text, in [`FmtMode::Print`].
    Text(String),
    /// The file has faults and was left alone.
    Faults(Vec<Diagnostic>),
}

/// Why a file could not be formatted.
#[derive(Debug, thiserror::Error)]
pub enum FmtFault {
    /// It cannot be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
}

/// Formats one file.
///
/// # Errors
///
/// [`FmtFault`] where it cannot be read or written; the old text is whole then.
pub fn fmt(path: &Path, mode: FmtMode) -> Result<Formatted, FmtFault> {
    let file = source_file(&Disk, path);
    if let Some(reason) = file.fault {
        return Err(FmtFault::Read { path: path.to_path_buf(), reason });
    }
    let (ast, faults) = parse(&file.path, &file.text);
    if faults.iter().any(|fault| fault.severity == Severity::Error) {
        return Ok(Formatted::Faults(faults));
    }
    let text = print(&ast);
    match mode {
        FmtMode::Print => Ok(Formatted::Text(text)),
        FmtMode::Write | FmtMode::Check if text == file.text => Ok(Formatted::Same),
        FmtMode::Check => Ok(Formatted::Changed),
        FmtMode::Write => {
            replace(path, &text)
                .map_err(|source| FmtFault::Write { path: path.to_path_buf(), source })?;
            Ok(Formatted::Changed)
        }
    }
}

/// Writes a new file beside the old one, with its permissions, and puts it in its place, so that a
/// crash leaves one of the two whole. A link is followed.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.new", std::process::id()));
    let beside = path.with_file_name(name);
    // Nothing that lies there already is written over or followed.
    let mut file = File::create_new(&beside)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::set_permissions(&beside, fs::metadata(&path)?.permissions()))
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The first fault is the one to report.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_its_form_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.policy");
        fs::write(&path, "a:{\nmatch-domain:a.example, b.example\n}").unwrap();
        assert!(matches!(fmt(&path, FmtMode::Check), Ok(Formatted::Changed)));
        assert!(matches!(fmt(&path, FmtMode::Write), Ok(Formatted::Changed)));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "a: {\n    match-domain: a.example, b.example\n}\n");
        assert!(matches!(fmt(&path, FmtMode::Write), Ok(Formatted::Same)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_faulty_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.policy");
        fs::write(&path, "a: {\n k: x\n").unwrap();
        assert!(matches!(fmt(&path, FmtMode::Write), Ok(Formatted::Faults(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a: {\n k: x\n");
        assert!(fmt(&folder.path().join("none"), FmtMode::Write).is_err());
    }
}
