//! Reads the engine's audit trail: the one place that says what was decided.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::wait;

/// How long an entry may take to reach the disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);

/// One verdict as the trail keeps it; of its other fields nothing is needed here.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// The decision's id.
    pub id: String,
    /// The phase's word.
    pub phase: String,
    /// What the client gets.
    pub action: String,
    /// The rule's name.
    pub rule: String,
    /// The URL, without its query.
    pub url: String,
    /// A contradiction between the names of a request, where there is one.
    pub anomaly: Option<String>,
}

/// The trail, and how far it was read.
#[derive(Debug)]
pub struct Trail {
    path: PathBuf,
    read: usize,
}

impl Trail {
    /// From its beginning.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, read: 0 }
    }

    /// Verdicts that were written since the last call.
    ///
    /// # Errors
    ///
    /// If a line is not what the trail promises.
    pub fn news(&mut self) -> Result<Vec<Entry>> {
        let bytes = fs::read(&self.path).unwrap_or_default();
        let fresh = bytes.get(self.read..).unwrap_or_default();
        let Some(end) = fresh.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let whole = fresh.get(..=end).unwrap_or_default();
        self.read += whole.len();
        let mut entries = Vec::new();
        for line in whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let value: serde_json::Value = serde_json::from_slice(line)
                .with_context(|| format!("audit line `{}`", String::from_utf8_lossy(line)))?;
            if value.get("kind").and_then(|kind| kind.as_str()) == Some("verdict") {
                entries.push(serde_json::from_value(value).context("an entry of the audit trail")?);
            }
        }
        Ok(entries)
    }

    /// The same, waiting for at least `count`; gives what there is when the time is over.
    ///
    /// # Errors
    ///
    /// If a line is not what the trail promises.
    pub fn await_news(&mut self, count: usize) -> Result<Vec<Entry>> {
        let mut all = Vec::new();
        let waited = wait::until("entries of the audit trail", WRITTEN_WITHIN, || {
            all.extend(self.news()?);
            Ok((all.len() >= count).then_some(()))
        });
        crate::interrupt::check()?;
        drop(waited);
        Ok(all)
    }
}
