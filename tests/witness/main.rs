//! A helper for Squid that writes down what it is asked and says no more than `OK`: it changes nothing,
//! and the request goes wherever Squid wants it to go.
//!
//! The first argument is the file. A line is in the file before it is answered, so that who has
//! Squid's answer finds the line.

use std::fs::File;
use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let path = std::env::args_os().nth(1).context("name the file to write to")?;
    let mut file = File::options().create(true).append(true).open(path)?;
    let (mut lines, mut answers) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        file.write_all(&line)?;
        let channel = line.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
        answers.write_all(channel)?;
        answers.write_all(b" OK\n")?;
        answers.flush()?;
        line.clear();
    }
    Ok(())
}
