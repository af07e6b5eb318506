//! What the keys of `squid-connector.conf` mean: types, defaults and ranges.
//!
//! A `Config` exists only when every key was right; what it weakens is listed by
//! [`Config::weakenings`] so that the start can say so.

use std::io;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eg_proto::limits::KEY_BITS_MIN_UNPINNED;
use eg_proto::{ConnectorName, Inspect, KeyFault, SharedKey};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ParsedCertificate;
use toml::de::DeTable;
use zeroize::Zeroizing;

use super::reader::{ConfigFaults, Fault, Placed, Reader, Table};

/// The engine's Defendr port.
const ENGINE_PORT: u16 = 11224;
/// How long a request may take when nothing else is said.
const ANSWER_TIMEOUT_MS: u32 = 2_000;
/// Below 50 ms a busy machine would refuse everything; above 30 s no browser waits any more.
const ANSWER_TIMEOUT_MS_RANGE: std::ops::RangeInclusive<u32> = 50..=30_000;

/// The whole configuration of a connector.
#[derive(Debug)]
pub struct Config {
    /// The engines in file order; the first is asked first. Never empty.
    pub engines: Vec<EngineConfig>,
    /// `[connector]`.
    pub connector: ConnectorSettings,
    /// `[ssl_bump_acl].fail_action`: used by the second role, which this version does not have.
    pub tls_fail_action: TlsFailAction,
    /// `[logging]`.
    pub logging: LogSettings,
}

/// One `[engine.<name>]`.
#[derive(Debug)]
pub struct EngineConfig {
    /// The name of the section.
    pub name: String,
    /// A name or an address.
    pub host: String,
    /// The Defendr port.
    pub port: NonZeroU16,
    /// The pre-shared key.
    pub key: SharedKey,
    /// The public key that the engine must have.
    pub pin: Option<Pin>,
}

/// The public key (SPKI in DER) that an engine's certificate must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin(Vec<u8>);

impl Pin {
    /// Takes the public key out of the first certificate of a PEM file.
    ///
    /// # Errors
    /// A sentence for people when the bytes hold no certificate that can be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(pem)
            .map_err(|fault| format!("it holds no certificate in PEM ({fault})"))?;
        Self::of_certificate(&certificate)
            .ok_or_else(|| "its certificate cannot be read".to_owned())
    }

    /// The public key of a certificate; `None` when it cannot be read.
    #[must_use]
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = ParsedCertificate::try_from(certificate).ok()?;
        Some(Self(parsed.subject_public_key_info().as_ref().to_vec()))
    }
}

/// `[connector]`.
#[derive(Debug)]
pub struct ConnectorSettings {
    /// Who this connector says it is; the engine has a key for the name.
    pub name: ConnectorName,
    /// How a verdict is told to Squid.
    pub answer: Answer,
    /// What a request gets that no engine could judge.
    pub fail_action: FailAction,
    /// How long a request may take.
    pub answer_timeout: Duration,
    /// What Squid does with TLS.
    pub inspect: Inspect,
}

/// How a verdict is told to Squid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As a note; Squid's gate makes the redirect.
    Note,
    /// As a redirect by the helper, for proxies that cannot have the gate.
    Redirect {
        /// Where to send a client when no engine ever told its portal; absent only with
        /// `fail_action = "permit"`.
        fail_url: Option<String>,
    },
}

/// What a request gets that no engine could judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailAction {
    /// It is refused.
    Deny,
    /// It passes: the operator's written choice.
    Permit,
}

/// What the second role answers when no engine can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFailAction {
    /// The connection ends.
    Terminate,
    /// The connection goes on unread.
    Splice,
    /// The connection is decrypted.
    Bump,
}

/// `[logging]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Where lines go.
    pub kind: LogType,
    /// The least serious level that is written.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// Where log lines go. Never to stdout, which belongs to Squid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogType {
    /// stderr, which Squid copies into its `cache.log`.
    Console,
    /// A file that several connectors may share.
    File(PathBuf),
}

/// How serious a log line is; syslog's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// `emergency`, `alert`, `critical` and `error` are one to a connector.
    Error,
    /// Look soon.
    Warning,
    /// The life cycle.
    Notice,
    /// More of the same.
    Info,
    /// Single requests.
    Debug,
}

impl LogLevel {
    /// Every word that a level may be written as.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("emergency", Self::Error),
        ("alert", Self::Error),
        ("critical", Self::Error),
        ("error", Self::Error),
        ("warning", Self::Warning),
        ("warn", Self::Warning),
        ("notice", Self::Notice),
        ("info", Self::Info),
        ("debug", Self::Debug),
    ];
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting that opens the gate a little: said at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weakening {
    /// `fail_action = "permit"`.
    FailPermit,
    /// `answer = "redirect"`.
    AnswerRedirect,
    /// `[ssl_bump_acl].fail_action` other than `terminate`.
    TlsNotTerminated,
}

impl Weakening {
    /// What it means, for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::FailPermit => {
                "`fail_action = \"permit\"`: while no engine answers, every request passes"
            }
            Self::AnswerRedirect => {
                "`answer = \"redirect\"`: Squid lets requests pass when a helper dies or errs"
            }
            Self::TlsNotTerminated => {
                "`[ssl_bump_acl] fail_action` is not `terminate`: TLS goes on without a verdict"
            }
        }
    }
}

const SECTIONS: &[&str] = &["engine", "connector", "ssl_bump_acl", "logging"];
const ENGINE_KEYS: &[&str] = &["host", "port", "net", "key", "key_file", "cert", "path"];
const CONNECTOR_KEYS: &[&str] =
    &["name", "answer", "fail_action", "fail_url", "answer_timeout_ms", "inspect"];
const LOGGING_KEYS: &[&str] = &["type", "file", "level", "format"];

/// Reads the files that a configuration names. A parameter, so that tests need no disk.
pub(super) type ReadFile<'f> = &'f dyn Fn(&Path) -> io::Result<Vec<u8>>;

impl Config {
    /// Reads the configuration at `path` and the files that it names.
    ///
    /// # Errors
    /// Every fault, with its place.
    pub fn read(path: &Path) -> Result<Self, ConfigFaults> {
        let whole = |message: String| ConfigFaults {
            file: path.to_owned(),
            faults: vec![Fault { line: 0, column: 0, message }],
        };
        let bytes = std::fs::read(path).map_err(|fault| whole(format!("cannot read: {fault}")))?;
        let text = String::from_utf8(bytes).map_err(|_| whole("it is not UTF-8".to_owned()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, folder, &|named| std::fs::read(named))
            .map_err(|faults| ConfigFaults { file: path.to_owned(), faults })
    }

    /// The pure half of [`Config::read`]. Relative paths start at `folder`.
    pub(super) fn parse(
        text: &str,
        folder: &Path,
        read_file: ReadFile<'_>,
    ) -> Result<Self, Vec<Fault>> {
        let (document, syntax) = DeTable::parse_recoverable(text);
        let mut reader = Reader::new(text);
        if !syntax.is_empty() {
            for fault in syntax {
                reader.fault(fault.span().unwrap_or(0..0), fault.message());
            }
            return Err(reader.into_faults());
        }
        let root = reader.root(&document, SECTIONS);
        let engines = read_engines(&mut reader, &root, folder, read_file);
        let connector = read_connector(&mut reader, &root);
        let tls_fail_action = read_tls_fail_action(&mut reader, &root);
        let logging = read_logging(&mut reader, &root, folder);
        let faults = reader.into_faults();
        match (connector, faults.is_empty()) {
            (Some(connector), true) => Ok(Self { engines, connector, tls_fail_action, logging }),
            (Some(_) | None, _) => Err(faults),
        }
    }

    /// The settings that open the gate a little.
    #[must_use]
    pub fn weakenings(&self) -> Vec<Weakening> {
        let mut found = Vec::new();
        match self.connector.fail_action {
            FailAction::Deny => {}
            FailAction::Permit => found.push(Weakening::FailPermit),
        }
        match self.connector.answer {
            Answer::Note => {}
            Answer::Redirect { .. } => found.push(Weakening::AnswerRedirect),
        }
        match self.tls_fail_action {
            TlsFailAction::Terminate => {}
            TlsFailAction::Splice | TlsFailAction::Bump => found.push(Weakening::TlsNotTerminated),
        }
        found
    }
}

fn read_engines(
    reader: &mut Reader<'_>,
    root: &Table<'_, '_>,
    folder: &Path,
    read_file: ReadFile<'_>,
) -> Vec<EngineConfig> {
    let tables = reader.tables(root, "engine", ENGINE_KEYS);
    if tables.is_empty() {
        reader.fault_of_file("no engine: write `[engine.NAME]` with `host` and `key_file`");
    }
    let mut engines = Vec::with_capacity(tables.len());
    for (name, table) in tables {
        engines.extend(read_engine(reader, name, &table, folder, read_file));
    }
    engines
}

#[derive(Clone, Copy)]
enum Net {
    Tcp,
    Socket,
}

fn read_engine(
    reader: &mut Reader<'_>,
    name: String,
    table: &Table<'_, '_>,
    folder: &Path,
    read_file: ReadFile<'_>,
) -> Option<EngineConfig> {
    if let Some(net) = reader.word(table, "net", &[("tcp", Net::Tcp), ("socket", Net::Socket)]) {
        match net.value {
            Net::Tcp => {}
            Net::Socket => reader.fault(
                net.at,
                "`net = \"socket\"` is not in this version yet; use `tcp` on a loopback address",
            ),
        }
    }
    if let Some(path) = reader.text(table, "path") {
        reader.fault(path.at, "`path` belongs to `net = \"socket\"`, which is not in this version");
    }
    let host = reader.text(table, "host");
    match &host {
        Some(host) if host.value.is_empty() => {
            reader.fault(host.at.clone(), "`host` is empty; write a name or an address");
        }
        Some(_) => {}
        None => reader.fault(table.at(), format!("[engine.{name}] has no `host`")),
    }
    let port = reader.number(table, "port", 1..=65_535);
    let pin = read_pin(reader, table, folder, read_file);
    let key = read_key(reader, &name, table, folder, read_file);
    let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(ENGINE_PORT);
    let key = key?;
    if matches!(pin, PinSetting::Absent) && key.value.estimated_bits() < KEY_BITS_MIN_UNPINNED {
        let bits = key.value.estimated_bits();
        reader.fault(
            key.at,
            format!(
                "the key is worth about {bits} bits; without `cert` it needs \
                 {KEY_BITS_MIN_UNPINNED}: set `cert` to the engine's certificate, or use a \
                 random key of 32 characters"
            ),
        );
        return None;
    }
    let pin = match pin {
        PinSetting::Absent => None,
        PinSetting::Broken => return None,
        PinSetting::Read(pin) => Some(pin),
    };
    let (host, port) = (host?.value, NonZeroU16::new(port)?);
    Some(EngineConfig { name, host, port, key: key.value, pin })
}

enum PinSetting {
    Absent,
    Broken,
    Read(Pin),
}

fn read_pin(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    folder: &Path,
    read_file: ReadFile<'_>,
) -> PinSetting {
    let Some(cert) = reader.text(table, "cert") else { return PinSetting::Absent };
    let path = folder.join(&cert.value);
    let read = read_file(&path)
        .map_err(|fault| format!("cannot read it: {fault}"))
        .and_then(|pem| Pin::from_pem(&pem));
    match read {
        Ok(pin) => PinSetting::Read(pin),
        Err(why) => {
            reader.fault(cert.at, format!("`cert` names `{}`: {why}", path.display()));
            PinSetting::Broken
        }
    }
}

fn read_key(
    reader: &mut Reader<'_>,
    name: &str,
    table: &Table<'_, '_>,
    folder: &Path,
    read_file: ReadFile<'_>,
) -> Option<Placed<SharedKey>> {
    let (parsed, at) = match (reader.text(table, "key"), reader.text(table, "key_file")) {
        (Some(key), None) => (SharedKey::parse(&Zeroizing::new(key.value)), key.at),
        (None, Some(file)) => {
            let text = match read_key_file(&folder.join(&file.value), read_file) {
                Ok(text) => text,
                Err(why) => {
                    reader.fault(file.at, why);
                    return None;
                }
            };
            (SharedKey::parse_file(&text), file.at)
        }
        (Some(_), Some(file)) => {
            reader.fault(file.at, "`key` and `key_file` are both set; keep one of them");
            return None;
        }
        (None, None) => {
            let message = format!("[engine.{name}] has no key; set `key_file` or `key`");
            reader.fault(table.at(), message);
            return None;
        }
    };
    match parsed {
        Ok(value) => Some(Placed { value, at }),
        Err(fault) => {
            let fault: KeyFault = fault;
            reader.fault(at, fault.to_string());
            None
        }
    }
}

fn read_key_file(path: &Path, read_file: ReadFile<'_>) -> Result<Zeroizing<String>, String> {
    let bytes = read_file(path)
        .map(Zeroizing::new)
        .map_err(|fault| format!("cannot read `key_file` `{}`: {fault}", path.display()))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(format!("the key in `{}` is not UTF-8", path.display())),
    }
}

fn read_connector(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> Option<ConnectorSettings> {
    let Some(table) = reader.section(root, "connector", CONNECTOR_KEYS) else {
        reader.fault_of_file("no `[connector]` section: it needs at least `name`");
        return None;
    };
    let name = read_name(reader, &table);
    let fail_action = reader
        .word(&table, "fail_action", &[("deny", FailAction::Deny), ("permit", FailAction::Permit)])
        .map_or(FailAction::Deny, |placed| placed.value);
    let answer = read_answer(reader, &table, fail_action);
    let timeout = reader
        .number(&table, "answer_timeout_ms", ANSWER_TIMEOUT_MS_RANGE)
        .unwrap_or(ANSWER_TIMEOUT_MS);
    let words = &[("off", Inspect::Off), ("peek", Inspect::Peek), ("bump", Inspect::Bump)];
    let inspect = reader.word(&table, "inspect", words).map_or(Inspect::Off, |found| found.value);
    Some(ConnectorSettings {
        name: name?,
        answer,
        fail_action,
        answer_timeout: Duration::from_millis(u64::from(timeout)),
        inspect,
    })
}

fn read_name(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<ConnectorName> {
    let Some(name) = reader.text(table, "name") else {
        reader.fault(
            table.at(),
            "[connector] has no `name`: write that of its table `[connectors.NAME]` in engine.conf",
        );
        return None;
    };
    match ConnectorName::parse(&name.value) {
        Ok(parsed) => Some(parsed),
        Err(fault) => {
            reader.fault(name.at, format!("`{}` is no connector name: {fault}", name.value));
            None
        }
    }
}

#[derive(Clone, Copy)]
enum AnswerWord {
    Note,
    Redirect,
}

fn read_answer(reader: &mut Reader<'_>, table: &Table<'_, '_>, fail_action: FailAction) -> Answer {
    let words = &[("note", AnswerWord::Note), ("redirect", AnswerWord::Redirect)];
    let answer = reader.word(table, "answer", words);
    let fail_url = reader.text(table, "fail_url");
    if let Some(url) = &fail_url
        && !crate::rewrite::is_redirect_target(&url.value)
    {
        let message = "`fail_url` must be `http://...` or `https://...` in printable ASCII \
                       without blanks, quotes and backslashes";
        reader.fault(url.at.clone(), message);
    }
    match (answer, fail_url) {
        (Some(Placed { value: AnswerWord::Redirect, at }), None) => {
            match fail_action {
                FailAction::Permit => {}
                FailAction::Deny => reader.fault(
                    at,
                    "`answer = \"redirect\"` needs `fail_url`: where to send clients while no \
                     engine can be reached",
                ),
            }
            Answer::Redirect { fail_url: None }
        }
        (Some(Placed { value: AnswerWord::Redirect, .. }), Some(url)) => {
            Answer::Redirect { fail_url: Some(url.value) }
        }
        (Some(Placed { value: AnswerWord::Note, .. }) | None, Some(url)) => {
            reader.fault(url.at, "`fail_url` is only for `answer = \"redirect\"`; remove it");
            Answer::Note
        }
        (Some(Placed { value: AnswerWord::Note, .. }) | None, None) => Answer::Note,
    }
}

fn read_tls_fail_action(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> TlsFailAction {
    let words = &[
        ("terminate", TlsFailAction::Terminate),
        ("splice", TlsFailAction::Splice),
        ("bump", TlsFailAction::Bump),
    ];
    reader
        .section(root, "ssl_bump_acl", &["fail_action"])
        .and_then(|table| reader.word(&table, "fail_action", words))
        .map_or(TlsFailAction::Terminate, |placed| placed.value)
}

#[derive(Clone, Copy)]
enum TypeWord {
    File,
    Console,
    Syslog,
}

fn read_logging(reader: &mut Reader<'_>, root: &Table<'_, '_>, folder: &Path) -> LogSettings {
    let mut settings =
        LogSettings { kind: LogType::Console, level: LogLevel::Error, format: LogFormat::Text };
    let Some(table) = reader.section(root, "logging", LOGGING_KEYS) else { return settings };
    let words =
        &[("file", TypeWord::File), ("console", TypeWord::Console), ("syslog", TypeWord::Syslog)];
    let kind = reader.word(&table, "type", words);
    let file = reader.text(&table, "file");
    match (kind, file) {
        (Some(Placed { value: TypeWord::File, .. }), Some(file)) => {
            settings.kind = LogType::File(folder.join(file.value));
        }
        (Some(Placed { value: TypeWord::File, at }), None) => {
            reader.fault(at, "`type = \"file\"` needs `file`, a path that Squid's user may write");
        }
        (Some(Placed { value: TypeWord::Syslog, at }), _) => reader.fault(
            at,
            "`type = \"syslog\"` is not in this version yet; use `console`, which Squid copies \
             into its cache.log, or `file`",
        ),
        (Some(Placed { value: TypeWord::Console, .. }) | None, _) => {}
    }
    if let Some(level) = reader.word(&table, "level", LogLevel::WORDS) {
        settings.level = level.value;
    }
    let formats = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
    if let Some(format) = reader.word(&table, "format", formats) {
        settings.format = format.value;
    }
    settings
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
