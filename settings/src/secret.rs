//! Files that a configuration names: read whole and bounded; secrets also trimmed of line ends and
//! checked for who else may read them.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::regular::open_regular;
use crate::table::Table;

/// A secret file is a line of text; what is larger is the wrong file.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// Who may read a secret's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner alone (0400 or 0600); anything else is a fault.
    Owner,
    /// Its group too, since the portal reads it; the world is worth a warning.
    Group,
}

/// Two keys of which exactly one holds a secret, or names the file that does.
#[derive(Debug)]
pub struct SecretKeys {
    /// The key whose value is the secret.
    pub inline: &'static str,
    /// The key whose value is the path.
    pub file: &'static str,
    /// Who may read the file.
    pub readers: Readers,
    /// What the secret has to be, for who gave neither.
    pub what: &'static str,
}

impl Table<'_> {
    /// The secret that one of `keys` holds, as `parse` takes it, and the name of that key.
    pub fn secret<T, F: Display>(
        &mut self,
        keys: &SecretKeys,
        parse: impl FnOnce(&str) -> Result<T, F>,
    ) -> Option<(T, &'static str)> {
        let SecretKeys { inline, file, readers, what } = *keys;
        match (self.text(inline).map(Zeroizing::new), self.optional_path(file)) {
            (Some(text), None) => {
                let parsed = parse(&text);
                let parsed =
                    parsed.map_err(|fault| self.fault(inline, format!("`{inline}`: {fault}")));
                parsed.ok().map(|secret| (secret, inline))
            }
            (None, Some(_)) => self.secret_file(file, readers, parse).map(|secret| (secret, file)),
            (Some(_), Some(_)) => {
                let message = format!("`{inline}` and `{file}` are both given; keep one of them");
                self.fault(file, message);
                None
            }
            (None, None) => {
                let label = self.label();
                let message = format!("`{file}`, or `{inline}`, is required in `{label}`: {what}");
                self.fault(inline, message);
                None
            }
        }
    }

    /// The secret in the file that the key `name` names, as `parse` takes it; `None` where the key is
    /// absent or empty.
    pub fn secret_file<T, F: Display>(
        &mut self,
        name: &'static str,
        readers: Readers,
        parse: impl FnOnce(&str) -> Result<T, F>,
    ) -> Option<T> {
        let path = self.optional_path(name)?;
        let read = read_secret(&path, readers).and_then(|secret| {
            self.warnings.extend(secret.warning);
            parse(&secret.text).map_err(|fault| format!("`{}`: {fault}", path.display()))
        });
        read.map_err(|message| self.fault(name, message)).ok()
    }
}

/// A secret, and what to say about its file.
#[derive(Debug)]
struct Secret {
    /// The secret, without the line's end.
    text: Zeroizing<String>,
    /// What an operator should be told about the file.
    warning: Option<String>,
}

/// Reads the secret in `path`.
///
/// # Errors
///
/// What is wrong with the file, as a sentence that names it.
fn read_secret(path: &Path, readers: Readers) -> Result<Secret, String> {
    let shown = path.display();
    let file = open(path)?;
    let mode = file.metadata().map_err(|error| cannot(path, &error))?.permissions().mode() & 0o777;
    let warning = match readers {
        Readers::Owner if mode & 0o177 != 0 => {
            return Err(format!(
                "`{shown}` has mode {mode:04o}; only its owner may read it: `chmod 0400 {shown}`"
            ));
        }
        Readers::Group if mode & 0o007 != 0 => Some(format!(
            "`{shown}` has mode {mode:04o}, so that everybody may read the secret: `chmod o= {shown}`"
        )),
        Readers::Owner | Readers::Group => None,
    };
    let bytes = Zeroizing::new(bounded(file, path, SECRET_FILE_BYTES_MAX)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("`{shown}` is not UTF-8"))?;
    let text = Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned());
    Ok(Secret { text, warning })
}

/// Reads the file in `path`, which holds at most `bytes_max` bytes.
///
/// # Errors
///
/// What is wrong with the file, as a sentence that names it.
pub fn read_bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    bounded(open(path)?, path, bytes_max)
}

fn open(path: &Path) -> Result<fs::File, String> {
    open_regular(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => format!("`{}` is not a file", path.display()),
        _ => cannot(path, &error),
    })
}

fn bounded(file: fs::File, path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    // As large as it may be from the start, so that a secret leaves no copy behind by growing.
    let size = file.metadata().map_or(0, |facts| facts.len()).min(bytes_max);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| cannot(path, &error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("`{}` is larger than {bytes_max} bytes", path.display()));
    }
    Ok(bytes)
}

fn cannot(path: &Path, error: &io::Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn line_ends_are_not_part_of_a_secret() {
        for mode in [0o400, 0o600] {
            let (_folder, path) = file("a key \r\n\n", mode);
            assert_eq!(*read_secret(&path, Readers::Owner).unwrap().text, "a key ");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        for mode in [0o640, 0o444, 0o604, 0o700] {
            let (_folder, path) = file("a key", mode);
            let fault = read_secret(&path, Readers::Owner).unwrap_err();
            assert!(fault.contains(&format!("mode {mode:04o}")), "{fault}");
        }
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_a_warning() {
        for (mode, warns) in [(0o640, false), (0o600, false), (0o644, true)] {
            let (_folder, path) = file("x", mode);
            assert_eq!(
                read_secret(&path, Readers::Group).unwrap().warning.is_some(),
                warns,
                "{mode:o}"
            );
        }
    }

    #[test]
    fn other_things_than_small_files_are_refused() {
        let (folder, path) = file(&"x".repeat(5000), 0o600);
        assert!(read_secret(&path, Readers::Owner).unwrap_err().contains("larger"));
        assert!(read_secret(folder.path(), Readers::Owner).unwrap_err().contains("not a file"));
        assert!(
            read_secret(&folder.path().join("none"), Readers::Owner)
                .unwrap_err()
                .contains("cannot read")
        );
    }
}
