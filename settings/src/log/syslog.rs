//! The way to syslog: one datagram a line in the form of RFC 3164, to the socket on which the system's
//! syslog or journal listens.
//!
//! Only the log's own thread sends, so a syslog that stalls holds up nobody who logs. One that is gone
//! is looked for again with every line; what it missed is counted like every line that was dropped.
//! Left out: syslog over a network, which the local one forwards.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::level::Level;

/// The facility `LOG_DAEMON`, which stands left of the severity in a line's first number.
const FACILITY: u8 = 3 << 3;

/// Longer lines are cut: rsyslog takes 8 KiB unless it is told otherwise.
pub(super) const LINE_BYTES_MAX: usize = 8192;

/// How long a line may wait for a syslog whose queue is full. Past that it is lost, so that a syslog
/// that hangs delays the end of the program by little.
const SEND_MAX: Duration = Duration::from_millis(100);

/// The first number of a line: facility and severity in one.
pub(super) const fn priority(level: Level) -> u8 {
    let severity = match level {
        Level::Emergency => 0,
        Level::Alert => 1,
        Level::Critical => 2,
        Level::Error => 3,
        Level::Warning => 4,
        Level::Notice => 5,
        Level::Info => 6,
        Level::Debug => 7,
    };
    FACILITY | severity
}

/// A line cut to what syslog takes.
pub(super) fn cut(line: &mut String) {
    if line.len() > LINE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
    }
}

/// The connection to syslog, which may be gone at any time.
#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// The syslog at `path`. It need not be there yet.
    pub(super) fn at(path: PathBuf) -> Self {
        let socket = connect(&path).ok();
        Self { path, socket }
    }

    /// Sends one line, after a second connect where the first connection is gone.
    pub(super) fn send(&mut self, line: &str) -> io::Result<()> {
        if let Some(socket) = &self.socket {
            match socket.send(line.as_bytes()) {
                Ok(_) => return Ok(()),
                // It is there and does not keep up: another connection would not help.
                Err(fault) if is_behind(&fault) => return Err(fault),
                Err(_) => self.socket = None,
            }
        }
        let socket = connect(&self.path)?;
        let sent = socket.send(line.as_bytes());
        self.socket = Some(socket);
        sent.map(drop)
    }
}

fn connect(path: &PathBuf) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_MAX))?;
    socket.connect(path)?;
    Ok(socket)
}

fn is_behind(fault: &io::Error) -> bool {
    matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = vec![0; LINE_BYTES_MAX * 2];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    }

    #[test]
    fn each_level_has_its_severity_of_the_facility_daemon() {
        let numbers = Level::ALL.map(priority);
        assert_eq!(numbers, [24, 25, 26, 27, 28, 29, 30, 31]);
    }

    #[test]
    fn a_long_line_is_cut_between_letters() {
        for (letter, left) in [("x", LINE_BYTES_MAX), ("€", LINE_BYTES_MAX / 3 * 3)] {
            let mut line = letter.repeat(LINE_BYTES_MAX);
            cut(&mut line);
            assert_eq!(line.len(), left, "{letter}");
        }
        let mut line = "short".to_owned();
        cut(&mut line);
        assert_eq!(line, "short");
    }

    #[test]
    fn a_syslog_that_comes_late_or_anew_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut syslog = Syslog::at(path.clone());
        assert!(syslog.send("nobody listens").is_err());
        let first = UnixDatagram::bind(&path).unwrap();
        syslog.send("one").unwrap();
        assert_eq!(heard(&first), "one");
        drop(first);
        assert!(syslog.send("nobody listens any more").is_err());
        std::fs::remove_file(&path).unwrap();
        let second = UnixDatagram::bind(&path).unwrap();
        syslog.send("two").unwrap();
        assert_eq!(heard(&second), "two");
        // Renewed while the connection looks well: the very line that finds out arrives.
        drop(second);
        std::fs::remove_file(&path).unwrap();
        let third = UnixDatagram::bind(&path).unwrap();
        syslog.send("three").unwrap();
        assert_eq!(heard(&third), "three");
    }

    #[test]
    fn a_syslog_that_does_not_read_costs_a_bounded_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let stuck = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::at(path);
        let line = "x".repeat(LINE_BYTES_MAX);
        let began = Instant::now();
        let sent = (0..100_000).take_while(|_| syslog.send(&line).is_ok()).count();
        assert!(sent < 100_000, "the queue of a socket has an end");
        assert!(began.elapsed() >= SEND_MAX);
        // It reads again, and the same connection goes on.
        assert_eq!(heard(&stuck).len(), line.len());
        syslog.send("more").unwrap();
    }
}
