//! Talking with whoever sits at the terminal, or with the program in his place.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use eg_proto::control::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// A line at most, in bytes: what a person types or a script writes in one; far above every password.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Questions and answers. All of it is beside the results: it goes to standard error.
pub trait Talk {
    /// Whether a person is there to be asked.
    fn is_terminal(&self) -> bool;

    /// Asks for a line; `None` at the end of input.
    ///
    /// # Errors
    ///
    /// What the terminal says.
    fn line(&mut self, prompt: &str) -> io::Result<Option<String>>;

    /// Asks for a secret, which is not shown; the next line of input where nobody is there to be asked.
    ///
    /// # Errors
    ///
    /// What the terminal says.
    fn secret(&mut self, prompt: &str) -> io::Result<Option<Secret>>;

    /// Says something to the person.
    ///
    /// # Errors
    ///
    /// What the terminal says.
    fn say(&mut self, text: &str) -> io::Result<()>;
}

/// Whether whoever is asked says yes.
///
/// # Errors
///
/// What the terminal says.
pub fn agrees(talk: &mut dyn Talk, question: &str) -> io::Result<bool> {
    let answer = talk.line(&format!("{question} [y/N] "))?;
    Ok(answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes")))
}

/// The terminal of this process, or what its standard input is.
#[derive(Debug, Default)]
pub struct Console;

impl Talk for Console {
    fn is_terminal(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn line(&mut self, prompt: &str) -> io::Result<Option<String>> {
        if self.is_terminal() {
            write!(io::stderr().lock(), "{prompt}")?;
        }
        read_line()
    }

    fn secret(&mut self, prompt: &str) -> io::Result<Option<Secret>> {
        if !self.is_terminal() {
            return Ok(read_line()?.map(Secret::new));
        }
        write!(io::stderr().lock(), "{prompt}")?;
        let read = {
            let _quiet = Quiet::begin()?;
            read_quietly()
        };
        writeln!(io::stderr().lock())?;
        read
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "{text}")
    }
}

fn read_line() -> io::Result<Option<String>> {
    let mut line = String::new();
    let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = io::stdin().lock().take(most).read_line(&mut line)?;
    if read == LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
    }
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok((read > 0).then_some(line))
}

/// The terminal without echo. Keys come one by one, so that Ctrl-C ends the question and does not end
/// the process with the echo off.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn read_quietly() -> io::Result<Option<Secret>> {
    let mut typed = Zeroizing::new(Vec::new());
    let mut key = [0];
    while io::stdin().lock().read(&mut key)? > 0 {
        let [byte] = key;
        match byte {
            b'\r' | b'\n' => return whole(&typed),
            // Ctrl-C, and Ctrl-D before anything was typed.
            3 => return Ok(None),
            4 if typed.is_empty() => return Ok(None),
            4 => return whole(&typed),
            // Ctrl-U
            21 => typed.clear(),
            8 | 127 => backspace(&mut typed),
            byte if typed.len() < LINE_BYTES_MAX => typed.push(byte),
            _ => {}
        }
    }
    Ok(None)
}

/// Takes the last letter away, which may have several bytes.
fn backspace(typed: &mut Vec<u8>) {
    while let Some(byte) = typed.pop() {
        if byte & 0b1100_0000 != 0b1000_0000 {
            return;
        }
    }
}

fn whole(typed: &[u8]) -> io::Result<Option<Secret>> {
    let text = std::str::from_utf8(typed)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "what was typed is not UTF-8"))?;
    Ok(Some(Secret::new(text.to_owned())))
}

/// Answers that a test has written down.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    pub(crate) is_terminal: bool,
    pub(crate) answers: std::collections::VecDeque<String>,
    /// All that was asked and said.
    pub(crate) said: String,
}

#[cfg(test)]
impl Scripted {
    pub(crate) fn terminal(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Self { is_terminal: true, answers, said: String::new() }
    }

    pub(crate) fn input(answers: &[&str]) -> Self {
        Self { is_terminal: false, ..Self::terminal(answers) }
    }
}

#[cfg(test)]
impl Talk for Scripted {
    fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    fn line(&mut self, prompt: &str) -> io::Result<Option<String>> {
        if self.is_terminal {
            self.said.push_str(&format!("{prompt}\n"));
        }
        Ok(self.answers.pop_front())
    }

    fn secret(&mut self, prompt: &str) -> io::Result<Option<Secret>> {
        Ok(self.line(prompt)?.map(Secret::new))
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        self.said.push_str(&format!("{text}\n"));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_of_several_bytes_is_taken_back_whole() {
        let mut typed = "a\u{20ac}".as_bytes().to_vec();
        backspace(&mut typed);
        assert_eq!(typed, b"a");
        backspace(&mut typed);
        backspace(&mut typed);
        assert!(typed.is_empty());
        assert_eq!(whole(b"ab").unwrap().unwrap().expose(), "ab");
        assert!(whole(&[0xff]).is_err());
    }

    #[test]
    fn only_a_plain_yes_is_one() {
        for (answer, expected) in
            [("y", true), ("yes", true), ("Y", true), ("", false), ("n", false), ("yep", false)]
        {
            assert_eq!(agrees(&mut Scripted::terminal(&[answer]), "so?").unwrap(), expected);
        }
        assert!(!agrees(&mut Scripted::terminal(&[]), "so?").unwrap());
    }
}
