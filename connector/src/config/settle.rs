//! Settings to a [`Config`], or to every fault at once. Nothing here touches the network, and a fault
//! never prints a key.
//!
//! Each function reads one section whole before it gives up on it, so that a fault in one key does
//! not hide the next.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eg_proto::limits::KEY_BITS_MIN_UNPINNED;
use eg_proto::{ConnectorName, Inspect, SharedKey};
use eg_settings::log::Logging;
use eg_settings::{
    ConfigFaults, Overrides, Readers, SecretKeys, Settling, Table, load, read_bytes,
};

use crate::link::ENGINES_MAX;

use super::keys::{CONNECTOR_CONF, ENGINES};
use super::types::{
    Answer, Config, ConnectorSettings, EngineAddress, EngineConfig, FailAction, Pin, TlsFailAction,
};

/// A certificate, or a chain of them, is a few thousand bytes; what is larger is the wrong file.
const CERT_FILE_BYTES_MAX: u64 = 1 << 18;

/// The connector's configuration and what its operator should be warned about.
pub type Loaded = eg_settings::Loaded<Config>;

impl Config {
    /// Reads the configuration at `path` and the files that it names.
    ///
    /// # Errors
    ///
    /// Every fault of the file and of what overrides it, at once.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Loaded, ConfigFaults> {
        load(&CONNECTOR_CONF, path, overrides, config)
    }
}

fn config(settling: &mut Settling<'_>) -> Option<Config> {
    let engines = engines(settling);
    let connector = connector(settling);
    let tls_fail_action = settling.table("ssl_bump_acl").choice(
        "fail_action",
        &[
            ("terminate", TlsFailAction::Terminate),
            ("splice", TlsFailAction::Splice),
            ("bump", TlsFailAction::Bump),
        ],
    );
    let logging = Logging::settle(&mut settling.table("logging"));
    Some(Config {
        engines: engines?,
        connector: connector?,
        tls_fail_action: tls_fail_action?,
        logging: logging?,
        not_yet: settling.not_yet(),
    })
}

/// All engines; there is at least one.
fn engines(settling: &mut Settling<'_>) -> Option<Vec<EngineConfig>> {
    let names = settling.names(ENGINES);
    if names.is_empty() {
        settling.fault("no engine: write `[engine.NAME]` with `host` and `key_file`".to_owned());
        return None;
    }
    if names.len() > ENGINES_MAX {
        settling
            .fault(format!("there are {} engines; a connector takes {ENGINES_MAX}", names.len()));
        return None;
    }
    let connector = settling.table("connector").text("name");
    let socket = default_socket(connector.as_deref().unwrap_or_default());
    let engines: Vec<Option<EngineConfig>> = names
        .into_iter()
        .map(|name| engine(&mut settling.named(ENGINES, name), name, &socket))
        .collect();
    engines.into_iter().collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Net {
    Tcp,
    Socket,
}

/// Where the engine has the socket of a connector, unless both are told otherwise.
fn default_socket(connector: &str) -> PathBuf {
    PathBuf::from("/run/enforcegate").join(format!("{connector}.sock"))
}

fn address(table: &mut Table<'_>, socket: &Path) -> Option<EngineAddress> {
    match table.choice("net", &[("tcp", Net::Tcp), ("socket", Net::Socket)])? {
        Net::Tcp => {
            table.refuse(&["path"], "belongs to `net = \"socket\"`; remove one of them");
            let host = table.required_text("host");
            let port = table.number("port").and_then(NonZeroU16::new);
            Some(EngineAddress::Tcp { host: host?, port: port? })
        }
        Net::Socket => {
            table.refuse(&["host", "port"], "belongs to `net = \"tcp\"`; remove one of them");
            let path = table.optional_path("path").unwrap_or_else(|| socket.to_path_buf());
            Some(EngineAddress::Socket(path))
        }
    }
}

fn engine(table: &mut Table<'_>, name: &str, socket: &Path) -> Option<EngineConfig> {
    let address = address(table, socket);
    let pin = pin(table);
    let (key, name_of_key) = table.secret(&KEY, SharedKey::parse)?;
    let bits = key.estimated_bits();
    let pin = match pin {
        PinSetting::Absent if bits < KEY_BITS_MIN_UNPINNED => {
            let message = format!(
                "the key is worth about {bits} bits; without `cert` it needs \
                 {KEY_BITS_MIN_UNPINNED}: set `cert` to the engine's certificate, or use a random \
                 key of 32 characters"
            );
            table.fault(name_of_key, message);
            return None;
        }
        PinSetting::Absent => None,
        PinSetting::Broken => return None,
        PinSetting::Read(pin) => Some(pin),
    };
    Some(EngineConfig { name: name.to_owned(), address: address?, key, pin })
}

enum PinSetting {
    Absent,
    Broken,
    Read(Pin),
}

fn pin(table: &mut Table<'_>) -> PinSetting {
    let Some(path) = table.optional_path("cert") else { return PinSetting::Absent };
    let read = read_bytes(&path, CERT_FILE_BYTES_MAX).and_then(|pem| {
        Pin::from_pem(&pem).map_err(|why| format!("`cert` names `{}`: {why}", path.display()))
    });
    match read {
        Ok(pin) => PinSetting::Read(pin),
        Err(message) => {
            table.fault("cert", message);
            PinSetting::Broken
        }
    }
}

/// The two ways to give the key. Its file may be the group's too, since Squid's user reads it.
const KEY: SecretKeys = SecretKeys {
    inline: "key",
    file: "key_file",
    readers: Readers::Group,
    what: "16 to 128 characters, the same on the engine",
};

fn connector(settling: &mut Settling<'_>) -> Option<ConnectorSettings> {
    let mut table = settling.table("connector");
    if !table.is_given() {
        settling.fault("no `[connector]` section: it needs at least `name`".to_owned());
        return None;
    }
    let name = name(&mut table);
    let fail_action =
        table.choice("fail_action", &[("deny", FailAction::Deny), ("permit", FailAction::Permit)]);
    let answer = answer(&mut table, fail_action);
    let timeout = table.number("answer_timeout_ms");
    let inspect = table.choice(
        "inspect",
        &[("off", Inspect::Off), ("peek", Inspect::Peek), ("bump", Inspect::Bump)],
    );
    Some(ConnectorSettings {
        name: name?,
        answer: answer?,
        fail_action: fail_action?,
        answer_timeout: Duration::from_millis(timeout?),
        inspect: inspect?,
    })
}

fn name(table: &mut Table<'_>) -> Option<ConnectorName> {
    let Some(name) = table.text("name") else {
        let message = "[connector] has no `name`: write that of its table `[connectors.NAME]` in \
                       engine.conf";
        table.fault("name", message.to_owned());
        return None;
    };
    let parsed = ConnectorName::parse(&name);
    parsed.map_err(|fault| table.fault("name", format!("`name`: {fault}"))).ok()
}

#[derive(Clone, Copy)]
enum Told {
    Note,
    Redirect,
}

fn answer(table: &mut Table<'_>, fail_action: Option<FailAction>) -> Option<Answer> {
    let told = table.choice("answer", &[("note", Told::Note), ("redirect", Told::Redirect)]);
    let fail_url = table.text("fail_url");
    if fail_url.as_deref().is_some_and(|url| !crate::rewrite::is_redirect_target(url)) {
        let message = "`fail_url` must be `http://...` or `https://...` in printable ASCII without \
                       blanks, quotes and backslashes";
        table.fault("fail_url", message.to_owned());
    }
    match (told?, fail_url, fail_action) {
        (Told::Note, None, _) => Some(Answer::Note),
        (Told::Note, Some(_), _) => {
            let message = "`fail_url` is only for `answer = \"redirect\"`; remove it";
            table.fault("fail_url", message.to_owned());
            None
        }
        (Told::Redirect, None, Some(FailAction::Deny)) => {
            let message = "`answer = \"redirect\"` needs `fail_url`: where to send clients while no \
                           engine can be reached";
            table.fault("answer", message.to_owned());
            None
        }
        (Told::Redirect, fail_url, _) => Some(Answer::Redirect { fail_url }),
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
