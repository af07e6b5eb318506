//! A real terminal with a program in it: keys go in as a person types them, and what stands on the screen
//! is read. It is tmux, on a socket of its own, which understands everything that a terminal does.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// How long the screen may take to show what is waited for: a reload on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at the screen.
const LOOK: Duration = Duration::from_millis(50);

/// Columns and rows.
const SIZE: (&str, &str) = ("120", "50");

/// A terminal; the program in it ends with it.
#[derive(Debug)]
pub struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts `program` in a terminal whose socket lies in `folder`.
    ///
    /// # Errors
    ///
    /// If there is no tmux, or it does not start.
    pub fn start(
        folder: &Path,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let terminal = Self { socket: folder.join("terminal.sock") };
        let mut command = terminal.tmux();
        command.args(["-f", "/dev/null", "new-session", "-d", "-x", SIZE.0, "-y", SIZE.1]);
        for (name, value) in environment {
            command.args(["-e", &format!("{name}={value}")]);
        }
        command.arg("--").arg(program).args(arguments);
        ended("start", command.output())?;
        Ok(terminal)
    }

    /// Types a text, without the key behind it.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn type_text(&self, text: &str) -> Result<()> {
        let mut command = self.tmux();
        command.args(["send-keys", "-l", "--", text]);
        ended("type", command.output()).map(drop)
    }

    /// Presses a key: `Enter`, `Tab`, `C-c`.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn press(&self, key: &str) -> Result<()> {
        let mut command = self.tmux();
        command.args(["send-keys", key]);
        ended("press a key", command.output()).map(drop)
    }

    /// Types a line and presses Enter.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn say(&self, line: &str) -> Result<()> {
        self.type_text(line)?;
        self.press("Enter")
    }

    /// What stands on the screen, and above it as far as is kept.
    ///
    /// # Errors
    ///
    /// If the terminal is gone.
    pub fn screen(&self) -> Result<String> {
        let mut command = self.tmux();
        command.args(["capture-pane", "-p", "-J", "-S", "-2000"]);
        ended("read the screen", command.output())
    }

    /// Waits until what is new on the screen since `seen` holds `text`; gives all of the screen.
    ///
    /// # Errors
    ///
    /// If it never does; the screen is in the message.
    pub fn await_text(&self, seen: &str, text: &str) -> Result<String> {
        let began = Instant::now();
        loop {
            let screen = self.screen()?;
            if fresh(seen, &screen).contains(text) {
                return Ok(screen);
            }
            if began.elapsed() > PATIENCE {
                bail!("`{text}` does not come; the screen:\n{screen}");
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Says a line and waits until `text` is among what comes after it.
    ///
    /// # Errors
    ///
    /// As [`Self::await_text`].
    pub fn ask(&self, line: &str, text: &str) -> Result<String> {
        let seen = self.screen()?;
        self.say(line)?;
        self.await_text(&seen, text).map(|screen| fresh(&seen, &screen).to_owned())
    }

    /// Whether the program has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let mut command = self.tmux();
        !command.args(["has-session"]).output().is_ok_and(|output| output.status.success())
    }

    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket);
        command
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.tmux().arg("kill-server").output());
    }
}

/// What came behind the last line of `seen` that is not empty.
fn fresh<'s>(seen: &str, screen: &'s str) -> &'s str {
    let known = seen.trim_end();
    // The last line is the prompt, on which the new text begins.
    let known = known.rsplit_once('\n').map_or(0, |(before, _)| before.len());
    screen.get(known.min(screen.len())..).unwrap_or_default()
}

fn ended(what: &str, output: std::io::Result<Output>) -> Result<String> {
    let output = output.context("tmux is not there; `cargo xtask setup` installs it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cannot {what}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_begins_with_the_prompt() {
        assert_eq!(fresh("a\nhost> \n\n", "a\nhost> show\nb\nhost>"), "\nhost> show\nb\nhost>");
        assert_eq!(fresh("", "host>"), "host>");
    }
}
