//! Regular files, opened so that nothing else is ever read in their place.
//!
//! INVARIANT: what is looked at is the open file, not its path, since the path may lead elsewhere by the
//! time that it is opened; and the opening waits for nobody, as that of a pipe would.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a regular file to read it. Links are followed; a pipe, a device, a socket and a folder are
/// refused at once.
///
/// # Errors
///
/// What the system says, or that it is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let calm = OFlag::O_NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(calm).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// The bytes of a regular file that has at most `bytes_max`, however large it says it is.
///
/// # Errors
///
/// As [`open_regular`], or that there are more.
pub fn read_regular(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len().min(bytes_max);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        let message = format!("larger than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "four").unwrap();
        assert_eq!(read_regular(&path, 4).unwrap(), b"four");
        assert_eq!(read_regular(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_regular(&link, 4).unwrap(), b"four");
        let gone = folder.path().join("none");
        assert_eq!(open_regular(&gone).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        // Nobody ever writes into it, so an opening that waits would never end.
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/zero")] {
            let fault = read_regular(path, 4).unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
    }
}
