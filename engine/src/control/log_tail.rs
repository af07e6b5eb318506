//! The end of the log file, within bounds.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Lines where nobody says how many.
pub(super) const LINES: usize = 50;

/// Lines at most.
pub(super) const LINES_MAX: usize = 1000;

/// Bytes that are looked at: a thousand long lines.
const BYTES_MAX: u64 = 1 << 20;

/// The newest lines, oldest first.
pub(super) fn tail(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    // A pipe may have been put there, and would hold a thread for ever.
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let skipped = found.len().saturating_sub(BYTES_MAX);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    File::take(file, BYTES_MAX).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    // The first one is the end of a line where it was begun in the middle.
    let whole = all.get(usize::from(skipped > 0 && all.len() > 1)..).unwrap_or_default();
    let newest = whole.get(whole.len().saturating_sub(lines)..).unwrap_or_default();
    Ok(newest.iter().map(|line| (*line).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_newest_lines_come_oldest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.log");
        fs::write(&path, "").unwrap();
        assert_eq!(tail(&path, 3).unwrap(), [""; 0]);
        fs::write(&path, "a\nb\nc\nd\n").unwrap();
        assert_eq!(tail(&path, 3).unwrap(), ["b", "c", "d"]);
        assert_eq!(tail(&path, 9).unwrap(), ["a", "b", "c", "d"]);
        fs::write(&path, b"\xff\nhalf").unwrap();
        assert_eq!(tail(&path, 9).unwrap(), ["\u{fffd}", "half"]);
    }

    #[test]
    fn a_log_of_any_size_costs_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.log");
        let line = "x".repeat(999);
        let text: String = (0..3000).map(|number| format!("{number} {line}\n")).collect();
        fs::write(&path, text).unwrap();
        let lines = tail(&path, LINES_MAX).unwrap();
        assert_eq!(lines.len(), LINES_MAX);
        assert!(lines.iter().all(|line| line.len() > 1000), "no line is cut");
        assert!(lines.last().unwrap().starts_with("2999 "));
        fs::write(&path, "y".repeat(3 << 20)).unwrap();
        assert_eq!(tail(&path, 5).unwrap().concat().len() as u64, BYTES_MAX);
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(tail(folder.path(), 5).is_err());
        assert!(tail(&folder.path().join("none"), 5).is_err());
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(tail(&pipe, 5).is_err());
    }
}
