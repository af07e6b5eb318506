//! The diagnostic file: why the last start failed, as JSON for whoever watches over many engines.
//!
//! INVARIANT: the file is whole or not there; a start that succeeds removes it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::version;

/// The form of the file; a change that breaks its readers changes this.
const FORM: u32 = 1;

/// It may name files and addresses: the world does not read it.
const MODE: u32 = 0o640;

/// Faults that are listed one by one; the message counts them all.
const DETAILS_MAX: usize = 100;

/// The kinds of causes, which is what programs tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The configuration.
    Configuration,
    /// Detaching.
    Detach,
    /// Descriptors that came along.
    HandedSockets,
    /// Another engine.
    AlreadyRunning,
    /// The pid file.
    PidFile,
    /// The log.
    Log,
    /// Signals.
    Signals,
    /// A listener's place.
    Listen,
    /// The TLS pair.
    TlsPair,
    /// The store is another program's file.
    StoreForeign,
    /// The store is another process's.
    StoreInUse,
    /// The store is damaged.
    StoreDamaged,
    /// The store is from a later version.
    StoreNewer,
    /// The store, else.
    Store,
    /// The policy's folders.
    PolicyFiles,
    /// The policy's text.
    PolicyFaults,
    /// The policy's regular expressions.
    Regexes,
    /// What the policy is made into.
    Policy,
    /// The audit trail.
    Audit,
    /// Threads.
    Threads,
    /// The next run of a restart in place.
    Restart,
}

impl Reason {
    /// All of them, in the order of a start, with what an operator does about each.
    pub const ALL: [(Self, &'static str); 21] = [
        (Self::Configuration, "`engine.conf`, or what overrides it, has faults; each is listed"),
        (Self::HandedSockets, "what the service manager handed over is no listening socket"),
        (Self::Detach, "the system does not let the engine become a daemon"),
        (Self::AlreadyRunning, "another engine holds the pid file"),
        (Self::PidFile, "the pid file cannot be written"),
        (Self::Log, "the log cannot be opened"),
        (Self::Signals, "the system gives no signals"),
        (Self::Listen, "an address or socket of a connector cannot be listened on"),
        (Self::TlsPair, "the TLS pair cannot be read or made"),
        (Self::StoreForeign, "`database_file` is not a DuckDB file"),
        (Self::StoreInUse, "another process has the store open"),
        (Self::StoreDamaged, "the store is damaged and could not be made again from the files"),
        (Self::StoreNewer, "a later version wrote the store"),
        (Self::Store, "the store cannot be opened or written: disk, owner, mode"),
        (Self::PolicyFiles, "a folder of the policy cannot be read"),
        (Self::PolicyFaults, "policy files have faults; each is listed"),
        (
            Self::Regexes,
            "the scanner of regular expressions gives wrong answers, or none takes a pattern",
        ),
        (Self::Policy, "lists, sets or the time zone cannot be read or built"),
        (Self::Audit, "the audit trail cannot be opened"),
        (Self::Threads, "the system gives no more threads or descriptors"),
        (Self::Restart, "the program could not be executed anew after it had drained"),
    ];

    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Detach => "detach",
            Self::HandedSockets => "handed-sockets",
            Self::AlreadyRunning => "already-running",
            Self::PidFile => "pid-file",
            Self::Log => "log",
            Self::Signals => "signals",
            Self::Listen => "listen",
            Self::TlsPair => "tls-pair",
            Self::StoreForeign => "store-foreign",
            Self::StoreInUse => "store-in-use",
            Self::StoreDamaged => "store-damaged",
            Self::StoreNewer => "store-newer",
            Self::Store => "store",
            Self::PolicyFiles => "policy-files",
            Self::PolicyFaults => "policy-faults",
            Self::Regexes => "regexes",
            Self::Policy => "policy",
            Self::Audit => "audit",
            Self::Threads => "threads",
            Self::Restart => "restart",
        }
    }
}

/// Why the file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the diagnostic file `{}`", path.display())]
pub struct LastErrorFault {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A start that failed.
#[derive(Debug, Serialize)]
pub struct LastError<'a> {
    form: u32,
    time: String,
    program: &'static str,
    version: &'static str,
    process: u32,
    reason: &'static str,
    message: &'a str,
    details: &'a [String],
}

impl<'a> LastError<'a> {
    /// With a sentence for people and, where there are several faults, one line each.
    #[must_use]
    pub fn of(reason: Reason, message: &'a str, details: &'a [String]) -> Self {
        Self {
            form: FORM,
            time: format!("{:.3}", jiff::Timestamp::now()),
            program: "enforcegate-engine",
            version: version(),
            process: std::process::id(),
            reason: reason.word(),
            message,
            details: details.get(..DETAILS_MAX).unwrap_or(details),
        }
    }

    /// Puts it where `path` says, whole or not at all.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written. A folder that is not there is not made: nothing was installed.
    pub fn write(&self, path: &Path) -> Result<(), LastErrorFault> {
        let attempt = || {
            let text = serde_json::to_string_pretty(self)? + "\n";
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(format!(".{}.new", self.process));
            let fresh = path.with_file_name(name);
            let written = write_whole(&fresh, &text).and_then(|()| fs::rename(&fresh, path));
            if written.is_err() {
                drop(fs::remove_file(&fresh));
            }
            written
        };
        attempt().map_err(|source| LastErrorFault { path: path.to_path_buf(), source })
    }

    /// Removes what an earlier start left.
    ///
    /// # Errors
    ///
    /// Where there is one and it stays.
    pub fn clear(path: &Path) -> Result<(), LastErrorFault> {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(LastErrorFault { path: path.to_path_buf(), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt as _;

    use eg_settings::{hold_page, with_table};

    use super::*;

    #[test]
    fn the_table_holds_each_reason_once() {
        let words: HashSet<_> = Reason::ALL.iter().map(|(reason, _)| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for (reason, meaning) in Reason::ALL {
            let written = serde_json::to_value(reason).unwrap();
            assert_eq!(written, reason.word());
            assert!(!meaning.is_empty() && !meaning.ends_with('.'), "{meaning}");
        }
    }

    #[test]
    fn the_file_is_whole_private_and_alone_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last.json");
        fs::write(&path, "an older one, longer than what comes now. ".repeat(100)).unwrap();
        let details: Vec<String> = (0..500).map(|number| format!("a.policy:{number}")).collect();
        LastError::of(Reason::PolicyFaults, "the policy has faults", &details)
            .write(&path)
            .unwrap();
        let value: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(value["reason"], "policy-faults");
        assert_eq!(value["message"], "the policy has faults");
        assert_eq!(value["process"], std::process::id());
        assert_eq!(value["details"].as_array().unwrap().len(), DETAILS_MAX);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        LastError::clear(&path).unwrap();
        assert!(!path.exists());
        LastError::clear(&path).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_named_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/last.json");
        let error = LastError::of(Reason::Log, "no", &[]);
        assert!(error.write(&missing).unwrap_err().to_string().contains("missing/last.json"));
        assert!(error.write(folder.path()).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// The manual's table is [`Reason::ALL`]. `EG_WRITE_MANUAL=1` writes it.
    #[test]
    fn the_manual_has_every_reason() {
        let rows =
            Reason::ALL.map(|(reason, meaning)| format!("| `{}` | {meaning} |\n", reason.word()));
        let table = format!("| `reason` | meaning |\n|---|---|\n{}", rows.concat());
        hold_page("docs/manual/engine.md", |page| with_table(page, "reasons", &table)).unwrap();
    }
}
