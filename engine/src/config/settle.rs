//! Settings to a [`Config`], or to every fault at once.
//!
//! Each function reads one section whole before it gives up on it, so that a fault in one key does
//! not hide the next.

use std::path::{Path, PathBuf};

use eg_policy::verdict::Action;
use eg_proto::PortalSecret;
use eg_settings::log::Logging;
use eg_settings::{ConfigFaults, Overrides, Readers, SecretKeys, Settling, Switch, Table};

use super::connectors;
use super::keys::ENGINE_CONF;
use super::types::{
    Aaa, AckKey, AuditConfig, BackendChoice, CaptivePortal, Cluster, Config, Control, Database,
    GitMode, Global, Identities, Learning, License, Metrics, OnFailure, PolicyConfig, RedactQuery,
    RedirectStatus, RegexBackend, TimeZoneChoice, Verdicts,
};

/// The engine's configuration and what its operator should be warned about.
pub type Loaded = eg_settings::Loaded<Config>;

/// Reads the configuration in `path`.
///
/// # Errors
///
/// Every fault of the file and of what overrides it, at once.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Loaded, ConfigFaults> {
    eg_settings::load(&ENGINE_CONF, path, overrides, config)
}

/// Where the cause of a start that failed goes, even where the rest of the configuration has faults.
#[must_use]
pub fn diagnostic_file(path: &Path, overrides: &Overrides) -> PathBuf {
    const KEY: &str = "diagnostic_file";
    let mut found = None;
    let look = |settling: &mut Settling<'_>| -> Option<()> {
        found = settling.table("").optional_path(KEY);
        None
    };
    drop(eg_settings::load(&ENGINE_CONF, path, overrides, look));
    // A file that cannot be read at all: what stands above it, then the default.
    let named = |name: &str| {
        let (_, value) = overrides.variables.iter().find(|(variable, _)| variable == name)?;
        Some(PathBuf::from(value))
    };
    found
        .or_else(|| named("ENFORCEGATE_DIAGNOSTIC_FILE"))
        .or_else(|| named("ENGINE_APM_DIAGNOSTIC_FILE"))
        .unwrap_or_else(|| PathBuf::from(super::keys::DIAGNOSTIC_FILE))
}

/// Reads a configuration's text as if it stood in `path`.
///
/// # Errors
///
/// As [`load`].
pub fn load_text(path: PathBuf, text: &str, overrides: &Overrides) -> Result<Loaded, ConfigFaults> {
    eg_settings::load_text(&ENGINE_CONF, path, text, overrides, config)
}

fn config(settling: &mut Settling<'_>) -> Option<Config> {
    let diagnostic_file = settling.table("").path("diagnostic_file");
    let global = global(settling);
    let connectors = connectors::settle(settling);
    let license = settling.table("license").is_given().then(|| license(settling));
    let database = settling.table("database").path("database_file");
    let policy = policy(settling);
    let learning = settling.table("learning").optional_path("database_file");
    let captive_portal = captive_portal(settling);
    let aaa = aaa(settling);
    let control = control(settling);
    let logging = Logging::settle(&mut settling.table("logging"));
    let audit = audit(settling);
    let listen = settling.table("metrics").listen("listen");
    let url = settling.table("cluster").text("url").filter(|url| !url.is_empty());
    let config = Config {
        file: settling.file().to_path_buf(),
        diagnostic_file: diagnostic_file?,
        global: global?,
        connectors: connectors?,
        license: match license {
            None => None,
            Some(license) => Some(license?),
        },
        database: Database { database_file: database? },
        policy: policy?,
        learning: learning.map(|database_file| Learning { database_file }),
        captive_portal: captive_portal?,
        aaa: aaa?,
        control: control?,
        logging: logging?,
        audit: audit?,
        metrics: Metrics { listen },
        cluster: Cluster { url },
        not_yet: settling.not_yet(),
    };
    connectors::listeners_apart(&config, settling);
    Some(config)
}

fn global(settling: &mut Settling<'_>) -> Option<Global> {
    let threads = settling.table("global").number::<usize>("threads")?;
    Some(Global { threads: std::num::NonZeroUsize::new(threads)? })
}

fn license(settling: &mut Settling<'_>) -> Option<License> {
    let mut table = settling.table("license");
    let serial = table.required_text("serial");
    if let Some(serial) = serial.as_deref().filter(|serial| !is_serial(serial)) {
        let message =
            format!("`serial` is `{serial}`; it has 22 characters, `XXXXX-XXXX-XXXX-XXXX-X`");
        table.fault("serial", message);
    }
    let username = table.required_text("username");
    let password = table.required_text("password").map(drop);
    let enforce_permissions = table.switch("enforce_permissions");
    let path = table.path("path");
    password?;
    Some(License {
        serial: serial?,
        username: username?,
        enforce_permissions: enforce_permissions?,
        path: path?,
    })
}

fn policy(settling: &mut Settling<'_>) -> Option<PolicyConfig> {
    let mut table = settling.table("policy");
    let default_action = table.choice(
        "default_action",
        &[
            ("permit", Action::Permit),
            ("deny", Action::Deny),
            ("warn", Action::Warn),
            ("aup", Action::Aup),
        ],
    );
    let path = table.path("path");
    let shared_path = table.optional_path("shared_path");
    let backup_path = table.path("backup_path");
    let backup_depth = table.number("backup_depth");
    let domain_backend = table.choice(
        "domain_backend",
        &[
            ("auto", BackendChoice::Auto),
            ("hashset", BackendChoice::Hashset),
            ("sorted-arena", BackendChoice::SortedArena),
        ],
    );
    let domain_backend_auto_threshold = table.number("domain_backend_auto_threshold");
    let regex_backend = table.choice(
        "regex_backend",
        &[
            ("auto", RegexBackend::Auto),
            ("hyperscan", RegexBackend::Hyperscan),
            ("regex", RegexBackend::Regex),
        ],
    );
    let git_mode = table.choice(
        "git_mode",
        &[
            ("auto", GitMode::Auto),
            ("force-on", GitMode::ForceOn),
            ("force-off", GitMode::ForceOff),
        ],
    );
    let time_window_tz = zone(&mut table);
    let watch = table.switch("watch");
    let shrink_guard_percent = table.number("shrink_guard_percent");
    let memory_max_mb = table.number("memory_max_mb");
    Some(PolicyConfig {
        default_action: default_action?,
        path: path?,
        shared_path,
        backup_path: backup_path?,
        backup_depth: backup_depth?,
        domain_backend: domain_backend?,
        domain_backend_auto_threshold: domain_backend_auto_threshold?,
        regex_backend: regex_backend?,
        git_mode: git_mode?,
        time_window_tz: time_window_tz?,
        watch: watch?,
        shrink_guard_percent: shrink_guard_percent?,
        memory_max_mb,
    })
}

fn captive_portal(settling: &mut Settling<'_>) -> Option<CaptivePortal> {
    let mut table = settling.table("captive_portal");
    let secret = table.secret(&SECRET, PortalSecret::parse);
    let previous = table.secret_file("previous_secret_file", SECRET.readers, PortalSecret::parse);
    let base_url = base_url(&mut table);
    let ack_secret_file = table.path("ack_secret_file");
    let relay_key_file = table.optional_path("relay_key_file");
    let ack_key = table.choice("ack_key", &[("ip", AckKey::Ip), ("ip+user", AckKey::IpAndUser)]);
    let ack_token_max_age = table.seconds("ack_token_max_age_s");
    let ack_session_duration = table.seconds("ack_session_duration_s");
    let redirect_status = table.choice(
        "redirect_status",
        &[
            ("302", RedirectStatus::Found),
            ("303", RedirectStatus::SeeOther),
            ("307", RedirectStatus::Temporary),
        ],
    );
    Some(CaptivePortal {
        base_url: base_url?,
        secret: secret?.0,
        previous,
        ack_secret_file: ack_secret_file?,
        relay_key_file,
        ack_key: ack_key?,
        ack_token_max_age: ack_token_max_age?,
        ack_session_duration: ack_session_duration?,
        redirect_status: redirect_status?,
    })
}

/// The two ways to give the portal's secret.
const SECRET: SecretKeys = SecretKeys {
    inline: "secret",
    file: "secret_file",
    readers: Readers::Group,
    what: "32 bytes in base64, as `openssl rand -base64 32` prints them, the same on the portal",
};

fn aaa(settling: &mut Settling<'_>) -> Option<Aaa> {
    let mut table = settling.table("aaa");
    let passwd = table.path("passwd");
    let auto_bootstrap = table.switch("auto_bootstrap");
    let bootstrap_credential_file = table.path("bootstrap_credential_file");
    let bootstrap_credential_ttl = table.seconds("bootstrap_credential_ttl_seconds");
    let master_key_file = table.path("master_key_file");
    let totp_required = table.switch("totp_required");
    Some(Aaa {
        passwd: passwd?,
        auto_bootstrap: auto_bootstrap?,
        bootstrap_credential_file: bootstrap_credential_file?,
        bootstrap_credential_ttl: bootstrap_credential_ttl?,
        master_key_file: master_key_file?,
        totp_required: totp_required?,
    })
}

fn control(settling: &mut Settling<'_>) -> Option<Control> {
    let mut table = settling.table("control");
    let ip = table.address("ip");
    let port = table.number("port");
    let key = table.path("key");
    let cert = table.path("cert");
    let dhparams = table.path("dhparams");
    let socket = table.optional_path("socket");
    if key.is_some() && key == cert {
        let message = "`key` and `cert` are the same file; the pair is two files";
        table.fault("cert", message.to_owned());
    }
    Some(Control {
        address: std::net::SocketAddr::new(ip?, port?),
        key: key?,
        cert: cert?,
        dhparams: dhparams?,
        socket,
    })
}

fn audit(settling: &mut Settling<'_>) -> Option<AuditConfig> {
    let mut table = settling.table("audit");
    let path = table.path("path");
    let verdicts = table.choice(
        "verdicts",
        &[("all", Verdicts::All), ("blocked", Verdicts::Blocked), ("none", Verdicts::None)],
    );
    let on_failure =
        table.choice("on_failure", &[("deny", OnFailure::Deny), ("continue", OnFailure::Continue)]);
    let retention_days = table.number::<u32>("retention_days");
    let redact_query = table.switch("redact_query").map(|switch| match switch {
        Switch::On => RedactQuery::Hash,
        Switch::Off => RedactQuery::Keep,
    });
    let sync = table.number("sync_ms").map(std::time::Duration::from_millis);
    let identities =
        table.choice("identities", &[("clear", Identities::Clear), ("keyed", Identities::Keyed)]);
    Some(AuditConfig {
        path: path?,
        verdicts: verdicts?,
        on_failure: on_failure?,
        retention_days: std::num::NonZeroU32::new(retention_days?),
        redact_query: redact_query?,
        sync: sync?,
        identities: identities?,
    })
}

/// `XXXXX-XXXX-XXXX-XXXX-X`
fn is_serial(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [5, 4, 4, 4, 1]
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The zone of time windows; a named one has to exist.
fn zone(table: &mut Table<'_>) -> Option<TimeZoneChoice> {
    let text = table.text("time_window_tz")?;
    match text.as_str() {
        "local" => Some(TimeZoneChoice::Local),
        "utc" => Some(TimeZoneChoice::Utc),
        _ if jiff::tz::TimeZone::get(&text).is_ok() => Some(TimeZoneChoice::Named(text)),
        _ => {
            let message = format!(
                "`time_window_tz` is `{text}`; it must be `local`, `utc` or an IANA zone such as \
                 `Europe/Zurich`"
            );
            table.fault("time_window_tz", message);
            None
        }
    }
}

/// The portal's address: `http` or `https`, a host, nothing that a redirect could stumble over.
fn base_url(table: &mut Table<'_>) -> Option<String> {
    let text = table.text("base_url")?;
    match base_url_fault(&text) {
        None => Some(text),
        Some(fault) => {
            table.fault("base_url", format!("`base_url` is `{}`; {fault}", text.escape_debug()));
            None
        }
    }
}

/// What is wrong with a base URL.
fn base_url_fault(text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest else {
        return Some("it must start with `http://` or `https://`");
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte);
    if !rest.bytes().all(allowed) {
        return Some(
            "it may hold letters, digits and `-._~:/[]` only: no query, no user, no blanks",
        );
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(1..) => host,
            Ok(0) | Err(_) => return Some("its port is not a port"),
        },
        Some(_) | None => authority,
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let readable = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && !host.contains(['[', ']', ':']),
    };
    if readable { None } else { Some("it has no host that can be read") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        for good in [
            "http://127.0.0.1/",
            "https://portal.example",
            "http://portal.example:8000/eg/",
            "http://[::1]:8000/",
            "http://[::1]",
        ] {
            assert_eq!(base_url_fault(good), None, "{good}");
        }
        for bad in [
            "",
            "portal.example",
            "ftp://portal.example/",
            "http://",
            "http:///blocked",
            "http://a b/",
            "http://a/?q",
            "http://a/#f",
            "http://u@a/",
            "http://a\"/",
            "http://a:0/",
            "http://a:99999/",
            "http://[::1/",
            "http://::1/",
            "http://a/%41",
        ] {
            assert!(base_url_fault(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn serials() {
        assert!(is_serial("ABCDE-1234-5678-9ABC-D"));
        for bad in ["", "ABCDE-1234-5678-9ABC-", "ABCD-1234-5678-9ABC-DE", "ABCDE-1234-5678-9A_C-D"]
        {
            assert!(!is_serial(bad), "{bad}");
        }
    }
}
