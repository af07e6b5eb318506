//! A new password from whoever stands at the machine: typed twice at a terminal, without showing it, or
//! a line of standard input where a program gives it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use eg_proto::control::Secret;
use eg_proto::control::auth::PASSWORD_BYTES_MAX;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// A line at most: the longest password, and enough more to tell that it is too long.
const LINE_BYTES_MAX: u64 = PASSWORD_BYTES_MAX as u64 + 64;

/// What a terminal without signals sends for Ctrl-C.
const INTERRUPT: char = '\u{3}';

/// A new password for `name`.
///
/// # Errors
/// Where nothing can be read, or what was typed is not the same twice.
pub(crate) fn new_password(name: &str) -> io::Result<Secret> {
    if !io::stdin().is_terminal() {
        return line(io::stdin().lock());
    }
    let first = typed(&format!("New password of {name}: "))?;
    let second = typed("Once more: ")?;
    if first == second {
        Ok(first)
    } else {
        Err(io::Error::other("what was typed is not the same twice"))
    }
}

/// A line that is typed without being shown. Signals are off meanwhile, so that Ctrl-C does not leave a
/// terminal behind that shows nothing.
fn typed(prompt: &str) -> io::Result<Secret> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
    let mut stderr = io::stderr().lock();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent)?;
    let read = line(stdin.lock());
    let put_back = tcsetattr(&stdin, SetArg::TCSAFLUSH, &before);
    stderr.write_all(b"\n")?;
    put_back?;
    let read = read?;
    if read.expose().contains(INTERRUPT) {
        return Err(io::Error::other("broken off"));
    }
    Ok(read)
}

/// One line without its end.
fn line(input: impl io::BufRead) -> io::Result<Secret> {
    let most = usize::try_from(LINE_BYTES_MAX).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(String::with_capacity(most));
    input.take(LINE_BYTES_MAX).read_line(&mut text)?;
    if text.is_empty() {
        return Err(io::Error::other("no password came"));
    }
    Ok(Secret::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_its_end() {
        for (input, expected) in
            [("a b\n", "a b"), ("a\r\nsecond\n", "a"), ("no end", "no end"), (" x \n", " x ")]
        {
            assert_eq!(line(input.as_bytes()).unwrap().expose(), expected);
        }
        assert!(line(&b""[..]).is_err());
        let long = "x".repeat(5000);
        let read = line(long.as_bytes()).unwrap();
        assert!(read.expose().len() > PASSWORD_BYTES_MAX && read.expose().len() < 1000);
    }
}
