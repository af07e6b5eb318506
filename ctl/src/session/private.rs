//! Files that only their owner reads: secrets, and what is kept between runs.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use eg_proto::control::Secret;
use zeroize::Zeroizing;

/// A secret's file is a line of text; what is larger is the wrong file.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// The first line of a file that nobody but its owner may read.
///
/// # Errors
///
/// It cannot be read, others can read it, or there is nothing in it.
pub(super) fn read_secret(path: &Path) -> io::Result<Secret> {
    let file = fs::File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 != 0 {
        let what =
            format!("its mode is {:04o}, so others can read it; chmod 600 it", mode & 0o7777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(SECRET_FILE_BYTES_MAX).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its first line is empty"));
    }
    Ok(Secret::new(line.to_owned()))
}

/// Writes a file whole, for its owner alone, in the place of what was there.
///
/// # Errors
///
/// What the file system says.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "it is in no folder");
    let folder = path.parent().ok_or_else(none)?;
    make_folder(folder)?;
    let mut name = path.file_name().ok_or_else(none)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    let written = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    let result = written();
    if result.is_err() {
        drop(fs::remove_file(&beside));
    }
    result
}

/// A folder for its owner alone, with those above it.
///
/// # Errors
///
/// What the file system says.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/secret");
        write_private(&path, b"one\ntwo\n").unwrap();
        assert_eq!(read_secret(&path).unwrap().expose(), "one");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        write_private(&path, b"\n").unwrap();
        assert!(read_secret(&path).is_err());
        write_private(&path, b"three").unwrap();
        assert_eq!(read_secret(&path).unwrap().expose(), "three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let told = read_secret(&path).unwrap_err().to_string();
        assert!(told.contains("0640"), "{told}");
        assert!(read_secret(folder.path()).is_err());
    }
}
