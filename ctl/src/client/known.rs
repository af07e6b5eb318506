//! The engines that were trusted at their first sight: `host:port fingerprint`, a line each.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::pin::Fingerprint;

/// A file of this kind has a line an engine; what is larger is another file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KnownFault {
    /// It cannot be read.
    #[error("cannot read `{}`, which says which engines are known", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A line of it is wrong.
    #[error("`{}`, line {line}: not `HOST:PORT FINGERPRINT`; put the line right or remove it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// It cannot be written.
    #[error("cannot write `{}`, so that the engine stays unknown", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

/// `~/.config/egctl/known_engines`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEngines {
    path: PathBuf,
}

impl KnownEngines {
    /// The file at `path`, which need not be there.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate of the engine at `place`, where it is known.
    ///
    /// # Errors
    ///
    /// [`KnownFault`]
    pub fn find(&self, place: &str) -> Result<Option<Fingerprint>, KnownFault> {
        let text = match fs::metadata(&self.path) {
            Ok(found) if found.len() > FILE_BYTES_MAX => {
                Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is no list of engines"))
            }
            Ok(_) => fs::read_to_string(&self.path),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => Err(fault),
        };
        let text = text.map_err(|fault| KnownFault::Read(self.path.clone(), fault))?;
        for (at, line) in text.lines().enumerate() {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let (known, fingerprint) = line_text
                .split_once(' ')
                .and_then(|(known, text)| Some((known, Fingerprint::parse(text.trim())?)))
                .ok_or_else(|| KnownFault::Line {
                    path: self.path.clone(),
                    line: at.saturating_add(1),
                })?;
            if known == place {
                return Ok(Some(fingerprint));
            }
        }
        Ok(None)
    }

    /// Remembers the engine at `place`.
    ///
    /// # Errors
    ///
    /// [`KnownFault::Write`]
    pub fn remember(&self, place: &str, fingerprint: Fingerprint) -> Result<(), KnownFault> {
        let written = || {
            if let Some(folder) = self.path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let mut options = fs::OpenOptions::new();
            let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
            file.write_all(format!("{place} {fingerprint}\n").as_bytes())
        };
        written().map_err(|fault| KnownFault::Write(self.path.clone(), fault))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_remembered_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let known = KnownEngines::at(folder.path().join("egctl/known_engines"));
        assert_eq!(known.find("a:1").unwrap(), None);
        let (one, two) = (Fingerprint::of(b"1"), Fingerprint::of(b"2"));
        known.remember("a:1", one).unwrap();
        known.remember("b:1", two).unwrap();
        assert_eq!(known.find("a:1").unwrap(), Some(one));
        assert_eq!(known.find("b:1").unwrap(), Some(two));
        assert_eq!(known.find("b:12").unwrap(), None);
        let mode = fs::metadata(known.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(known.path(), "# mine\n\na:1 zz\n").unwrap();
        let fault = known.find("c:1").unwrap_err().to_string();
        assert!(fault.contains("line 3"), "{fault}");
    }
}
