//! The real squidGuard, with its lists compiled.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::conf::{Line, When};

pub(super) struct Guard {
    program: PathBuf,
    conf: PathBuf,
}

impl Guard {
    pub(super) fn prepare(program: &Path, conf: &Path) -> Result<Self> {
        super::run(Command::new(program).arg("-c").arg(conf).args(["-C", "all"]))?;
        Ok(Self { program: program.to_path_buf(), conf: conf.to_path_buf() })
    }

    /// Whether it stops each request.
    pub(super) fn ask(&self, when: &When, lines: &[Line]) -> Result<Vec<bool>> {
        let mut child = Command::new(&self.program)
            .arg("-c")
            .arg(&self.conf)
            .args(["-t", when.text])
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start squidGuard")?;
        let mut input = child.stdin.take().context("squidGuard's stdin")?;
        let text: String = lines
            .iter()
            .map(|Line { url, client, user }| format!("{url} {client}/- {user} GET\n"))
            .collect();
        let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()));
        let said = child.wait_with_output()?;
        feeder.join().map_err(|_| anyhow::anyhow!("the feeder has panicked"))??;
        // In its emergency mode it lets everything through and ends with another code.
        ensure!(said.status.success(), "squidGuard ended with {}", said.status);
        let answers = String::from_utf8_lossy(&said.stdout).into_owned();
        let answers: Vec<bool> = answers.lines().map(|line| line.contains("url=")).collect();
        ensure!(answers.len() == lines.len(), "{} answers to {}", answers.len(), lines.len());
        Ok(answers)
    }
}
