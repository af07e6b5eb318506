//! Where lines go: a file that SIGHUP reopens, or standard error.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::logging::LogType;

/// Lines may hold URLs and users at debug: the world does not read them.
const LOG_MODE: u32 = 0o640;

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log file `{path}`", path = path.display())]
pub struct LogFault {
    /// The file.
    path: PathBuf,
    /// Why not.
    source: io::Error,
}

/// Where lines go. Clones share it.
#[derive(Debug, Clone)]
pub struct Sink(Arc<Target>);

#[derive(Debug)]
enum Target {
    Console,
    File { path: PathBuf, file: Mutex<File> },
}

impl Sink {
    /// The sink of a configuration; the log file's folder is made where it is missing.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn open(kind: &LogType) -> Result<Self, LogFault> {
        let target = match kind {
            LogType::File(path) => {
                let file = open(path).map_err(|source| LogFault { path: path.clone(), source })?;
                Target::File { path: path.clone(), file: Mutex::new(file) }
            }
            LogType::Console => Target::Console,
        };
        Ok(Self(Arc::new(target)))
    }

    /// Opens the log file anew, after it was moved away. On failure the old one stays.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn reopen(&self) -> io::Result<()> {
        match &*self.0 {
            Target::Console => Ok(()),
            Target::File { path, file } => {
                let fresh = open(path)?;
                *file.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
                Ok(())
            }
        }
    }

    /// Whether people see lines as they come.
    #[must_use]
    pub fn is_console(&self) -> bool {
        match &*self.0 {
            Target::Console => true,
            Target::File { .. } => false,
        }
    }

    /// Writes one line, whole. A log that cannot be written stops nothing.
    pub(super) fn write(&self, line: &str) {
        let written = match &*self.0 {
            Target::Console => io::stderr().lock().write_all(line.as_bytes()),
            Target::File { file, .. } => {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.write_all(line.as_bytes())
            }
        };
        drop(written);
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(LOG_MODE).open(path)
}
