//! The file's shape: the one description of `engine.conf`. Reader, environment, suggestions and the
//! manual's table come from it; nothing else lists keys.

use Fallback::{Nothing, Value};
use eg_settings::log::{file_key, format_key, level_key, socket_key, type_key};
use eg_settings::{Description, Environment, Fallback, Family, Key, Kind, Rivals, ShortName, key};

/// The section of which there is one for each connector.
pub(super) const CONNECTORS: &str = "connectors.<name>";

/// What `engine.conf` may say, and the environment instead of it (SPEC 2).
pub const ENGINE_CONF: Description = Description {
    keys: KEYS,
    families: &[Family { section: CONNECTORS, noun: "a connector" }],
    rivals: &[
        Rivals { section: CONNECTORS, keys: ["key", "key_file"] },
        Rivals { section: "captive_portal", keys: ["secret", "secret_file"] },
    ],
    environment: Some(Environment {
        prefix: "ENFORCEGATE_",
        short: SHORT,
        // What the first boot reads (SPEC 18).
        others: &["ENFORCEGATE_SSL_INSPECT", "ENFORCEGATE_SSL_INSPECT_ACK"],
    }),
};

/// The short names of the original.
/// Where the cause of a start that failed goes, unless something else is said.
pub(super) const DIAGNOSTIC_FILE: &str = "/var/lib/enforcegate/apm-last-error.json";

#[rustfmt::skip] // a table is read by columns
const SHORT: &[ShortName] = &[
    ShortName { name: "ENFORCEGATE_CAPTIVE_BASE_URL", section: "captive_portal", key: "base_url" },
    ShortName { name: "ENGINE_CONTROL_API_IP", section: "control", key: "ip" },
    ShortName { name: "ENGINE_LICENSE_SERIAL", section: "license", key: "serial" },
    ShortName { name: "ENGINE_LICENSE_USERNAME", section: "license", key: "username" },
    ShortName { name: "ENGINE_LICENSE_PASSWORD", section: "license", key: "password" },
    ShortName { name: "ENGINE_APM_DIAGNOSTIC_FILE", section: "", key: "diagnostic_file" },
];

/// Every key, in the manual's order.
#[rustfmt::skip] // a table is read by columns
const KEYS: &[Key] = &[
    // -- top
    key("", "diagnostic_file", Kind::Path, Value(DIAGNOSTIC_FILE),
        "where the structured cause of a fatal start failure goes; the next good start removes it"),
    // -- [global]
    key("global", "threads", Kind::Integer { least: 1, most: 256 }, Value("4"),
        "worker threads that serve connector sessions; sessions share them"),
    // -- [connectors.<name>]
    key(CONNECTORS, "net", Kind::Word(&["tcp", "socket"]), Value("tcp"),
        "how the connector reaches the engine: over the network, or by a UNIX socket of this machine"),
    key(CONNECTORS, "ip", Kind::Address, Value("127.0.0.1"),
        "where the listener is bound, with `tcp`; tables with equal `ip` and `port` share one listener"),
    key(CONNECTORS, "port", Kind::Integer { least: 1, most: 65535 }, Value("11224"),
        "the listener's port, with `tcp`"),
    key(CONNECTORS, "path", Kind::Path, Nothing("`/run/enforcegate/<name>.sock`"),
        "the UNIX socket, with `socket`: mode 0660, of the group `enforcegate` if there is one, else of its folder's group; tables with equal `path` share one listener"),
    key(CONNECTORS, "key", Kind::Secret, Nothing("exactly one of `key` and `key_file`"),
        "pre-shared key, 16 to 128 characters"),
    key(CONNECTORS, "key_file", Kind::Path, Nothing("exactly one of `key` and `key_file`"),
        "file that holds the key, mode 0400 or 0600"),
    key(CONNECTORS, "peers", Kind::Networks, Nothing("loopback where `ip` is loopback, else required"),
        "source addresses that may speak as this connector; with `socket` the file's mode says who may, and `peers` is refused"),
    // -- [license]
    key("license", "serial", Kind::Text, Nothing("required in `[license]`"),
        "22 characters, `XXXXX-XXXX-XXXX-XXXX-X`").later(),
    key("license", "username", Kind::Text, Nothing("required in `[license]`"),
        "must not be empty; sent nowhere").later(),
    key("license", "password", Kind::Secret, Nothing("required in `[license]`"),
        "must not be empty; sent nowhere").later(),
    key("license", "enforce_permissions", Kind::Switch, Value("false"),
        "refuse licence files that others can read").later(),
    key("license", "path", Kind::Path, Value("/etc/enforcegate/license"),
        "folder of the licence files").later(),
    // -- [database]
    key("database", "database_file", Kind::Path, Value("/var/lib/enforcegate/engine.db"),
        "the DuckDB store; the built sets lie in `sets/` beside it"),
    // -- [policy]
    key("policy", "default_action", Kind::Word(&["permit", "deny", "warn", "aup"]), Value("permit"),
        "the verdict where no rule matches, reported as `default-permit` and so on; a change takes effect at the start, with the policy compiled anew"),
    key("policy", "path", Kind::Path, Value("/etc/enforcegate/rules.d/"),
        "the operator's policy, scanned recursively for `*.policy`; a fault here fails the reload").reread(),
    key("policy", "shared_path", Kind::Path, Value("/etc/enforcegate-shared/rules.d/"),
        "machine-made policy, loaded after `path`; a faulty file is a warning and is left out; `\"\"` disables it").reread(),
    key("policy", "backup_path", Kind::Path, Value("/var/lib/enforcegate/policy-backups/"),
        "where snapshots of `path` go"),
    key("policy", "backup_depth", Kind::Integer { least: 1, most: 10000 }, Value("10"),
        "how many snapshots are kept"),
    key("policy", "domain_backend", Kind::Word(&["auto", "hashset", "sorted-arena"]), Value("auto"),
        "which structure holds domain names").later_but(&["auto", "hashset"]),
    key("policy", "domain_backend_auto_threshold", Kind::Integer { least: 1, most: 1_000_000_000_000 }, Value("50000000"),
        "number of names above which `auto` takes `sorted-arena`").later(),
    key("policy", "regex_backend", Kind::Word(&["auto", "hyperscan", "regex"]), Value("auto"),
        "which scanner the regexes go to: `auto` is Hyperscan, and the slower one of our own where that fails its self-test; `hyperscan` refuses to start then"),
    key("policy", "git_mode", Kind::Word(&["auto", "force-on", "force-off"]), Value("auto"),
        "whether each reload commits to git; `auto` is on where `path/.git/` exists"),
    key("policy", "time_window_tz", Kind::Zone, Value("local"),
        "the time zone of `time-window`; `local` is the machine's, read anew at each reload"),
    key("policy", "watch", Kind::Switch, Value("false"),
        "reload by itself when a policy or list file changes"),
    key("policy", "shrink_guard_percent", Kind::Integer { least: 0, most: 100 }, Value("20"),
        "a list that shrinks by more than this keeps its old entries, and a reload that would lose more of the rules is refused"),
    key("policy", "memory_max_mb", Kind::Integer { least: 16, most: 16_777_216 }, Nothing("80 % of the group's bound (`memory.max`), or of the memory that is free"),
        "what the engine may have, in MiB, with a new ruleset beside the old one; a reload that would need more is refused"),
    // -- [learning]
    key("learning", "database_file", Kind::Path, Nothing("learning is off"),
        "learning's own DuckDB store; `\"\"` turns learning off").later(),
    // -- [captive_portal]
    key("captive_portal", "base_url", Kind::Url, Value("http://127.0.0.1/"),
        "where redirects lead: the portal's address as browsers reach it"),
    key("captive_portal", "secret", Kind::Secret, Nothing("exactly one of `secret` and `secret_file`"),
        "32 bytes in base64, the same on the portal"),
    key("captive_portal", "secret_file", Kind::Path, Nothing("exactly one of `secret` and `secret_file`"),
        "file that holds the secret"),
    key("captive_portal", "previous_secret_file", Kind::Path, Nothing("none"),
        "the secret before this one, while a secret is changed").later(),
    key("captive_portal", "ack_secret_file", Kind::Path, Value("/var/lib/enforcegate/ack-secret"),
        "engine-only secret of acknowledgement tokens").later(),
    key("captive_portal", "relay_key_file", Kind::Path, Nothing("none"),
        "what the portal shows to acknowledge").later(),
    key("captive_portal", "ack_key", Kind::Word(&["ip", "ip+user"]), Value("ip"),
        "whom an acknowledgement covers; behind one NAT address, `ip` covers everybody there").later(),
    key("captive_portal", "ack_token_max_age_s", Kind::Integer { least: 1, most: 86400 }, Value("300"),
        "how long the payload of a redirect, and an acknowledgement token, is good"),
    key("captive_portal", "ack_session_duration_s", Kind::Integer { least: 1, most: 31536000 }, Value("3600"),
        "how long an acknowledgement lasts").later(),
    key("captive_portal", "redirect_status", Kind::Number(&["302", "303", "307"]), Value("302"),
        "the status of a redirect; not 301, which browsers keep for ever"),
    // -- [aaa]
    key("aaa", "passwd", Kind::Path, Value("/etc/enforcegate/passwd"),
        "operator accounts; `passwd.state` beside it holds second factors, API keys and logins").reread(),
    key("aaa", "auto_bootstrap", Kind::Switch, Value("false"),
        "make a first account, `admin`, where there is none"),
    key("aaa", "bootstrap_credential_file", Kind::Path, Value("/etc/enforcegate/aaa-bootstrap-credential.json"),
        "where the first account's credential goes"),
    key("aaa", "bootstrap_credential_ttl_seconds", Kind::Integer { least: 1, most: 31536000 }, Value("86400"),
        "how long that file stays; the account's first login removes it"),
    key("aaa", "master_key_file", Kind::Path, Value("/etc/enforcegate/master.key"),
        "what seals the secrets of second factors, mode 0400 or 0600; made when it is first needed"),
    key("aaa", "totp_required", Kind::Switch, Value("false"),
        "levels 10 and 11 must have a second factor: without one they can do nothing but set it up"),
    // -- [control]
    key("control", "ip", Kind::Address, Value("0.0.0.0"),
        "where the Control API is bound; `0.0.0.0` is every address of this machine, and `127.0.0.1` itself alone"),
    key("control", "port", Kind::Integer { least: 1, most: 65535 }, Value("11225"),
        "the Control API's port, HTTPS"),
    key("control", "key", Kind::Path, Value("conf/ssl/key.pem"),
        "private key of the TLS pair of Defendr and the Control API; where `key` and `cert` are both missing, the engine makes a pair"),
    key("control", "cert", Kind::Path, Value("conf/ssl/cert.pem"),
        "certificate of that pair; connectors pin it"),
    key("control", "dhparams", Kind::Path, Value("conf/ssl/dhparams.pem"),
        "accepted and ignored: TLS 1.3 has forward secrecy without it").later(),
    key("control", "socket", Kind::Path, Value("/run/enforcegate/control.sock"),
        "the UNIX socket of this machine's tools, for the engine's own user and root; `\"\"` for none"),
    // -- [logging]
    type_key("file", "where lines go; `console` is standard error, `syslog` the facility daemon"),
    file_key(Value("/var/log/enforcegate/engine.log"), "the log file, opened again on SIGHUP").reread(),
    socket_key(),
    level_key("error"),
    format_key(),
    // -- [audit]
    key("audit", "path", Kind::Path, Value("/var/lib/enforcegate/audit"),
        "folder of the audit trail; the engine makes it"),
    key("audit", "verdicts", Kind::Word(&["all", "blocked", "none"]), Value("blocked"),
        "which verdicts are recorded; `none` weakens the record"),
    key("audit", "on_failure", Kind::Word(&["deny", "continue"]), Value("deny"),
        "what happens to a request whose entry cannot be written; `continue` weakens the record"),
    key("audit", "retention_days", Kind::Integer { least: 0, most: 36500 }, Value("365"),
        "how many days the trail is kept; 0 keeps it for ever").later(),
    key("audit", "redact_query", Kind::Switch, Value("true"),
        "keep query strings as a keyed hash only; `false` weakens the record's secrecy"),
    key("audit", "sync_ms", Kind::Integer { least: 0, most: 60000 }, Value("100"),
        "the loss window: how long entries may wait until they are brought to the disk; 0 does it \
         after each block; a disk that takes more than a second for it counts as failed"),
    key("audit", "identities", Kind::Word(&["clear", "keyed"]), Value("clear"),
        "how clients and users are written").later_but(&["clear"]),
    // -- [metrics]
    key("metrics", "listen", Kind::Listen, Nothing("nowhere"),
        "where `/metrics` is served").later(),
    // -- [cluster]
    key("cluster", "url", Kind::Secret, Nothing("the local store"),
        "the Valkey or Redis server that engines share").later(),
];
