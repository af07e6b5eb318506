//! `egpolicy.conf`: where the engine is. Without a host it is asked over the UNIX socket of its machine,
//! as ever; with one over HTTPS.

use std::path::Path;

use Fallback::{Nothing, Value};
use eg_proto::control::SOCKET;
use eg_settings::{ConfigFaults, Description, Fallback, Key, Kind, key};

use crate::session::{Conf, Hostless, KeyFile, Settings};

/// The file that is read where none is named.
pub const CONF: &str = "/etc/enforcegate/egpolicy.conf";

/// What `egpolicy.conf` may say.
pub const EGPOLICY_CONF: Description = Description {
    keys: KEYS,
    families: &[],
    rivals: &[],
    // It is asked by operators and timers alike, who must not get different engines.
    environment: None,
};

/// Every key, in the manual's order.
#[rustfmt::skip] // a table is read by columns
const KEYS: &[Key] = &[
    key("global", "socket", Kind::Path, Value(SOCKET),
        "the engine's control socket, as `[control] socket` in engine.conf"),
    key("global", "host", Kind::Text, Nothing("the socket of this machine"),
        "the engine's machine, for the Control API over HTTPS"),
    key("global", "port", Kind::Integer { least: 1, most: 65535 }, Value("11225"),
        "the Control API's port"),
    key("global", "user", Kind::Text, Nothing("the user of this machine"),
        "the account to ask as, over HTTPS"),
    key("global", "cert", Kind::Path, Nothing("what egctl has seen"),
        "the engine's certificate in PEM; its public key is pinned"),
    key("global", "key_file", Kind::Path, Nothing("none"),
        "file that holds an API key, mode 0400 or 0600; without one, the login of egctl"),
];

/// Reads the configuration at `path`, or the usual one; where that is not there, nothing was said.
///
/// # Errors
///
/// Every fault of the file at once.
pub fn read(path: Option<&Path>) -> Result<Settings, ConfigFaults> {
    let conf = Conf {
        description: &EGPOLICY_CONF,
        usual: CONF,
        hostless: Hostless::Socket,
        key_file: KeyFile::MayBe,
    };
    conf.read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_where_the_socket_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("egpolicy.conf");
        std::fs::write(&path, "[global]\nsocket = \"run/control.sock\"\nhost = \"a.example\"\n")
            .unwrap();
        let config = read(Some(&path)).unwrap();
        assert_eq!(config.socket, folder.path().join("run/control.sock"));
        assert_eq!((config.host.as_deref(), config.port), (Some("a.example"), 11225));
        for (text, expected) in [
            ("[global]\nsock = \"x\"\n", "`socket`"),
            ("[global]\nsocket = \"\"\n", "must not be empty"),
            ("[control]\n", "control"),
            ("[global]\nport = 0\n", "1 to 65535"),
        ] {
            std::fs::write(&path, text).unwrap();
            let told = read(Some(&path)).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
        assert!(read(Some(&folder.path().join("none"))).is_err());
    }

    #[test]
    fn the_manual_has_the_keys() {
        let path = eg_settings::in_tree("docs/manual/egpolicy.md").unwrap();
        let manual = std::fs::read_to_string(path).unwrap();
        for key in KEYS {
            assert!(manual.contains(&format!("| `{}` |", key.name)), "{}", key.name);
        }
    }
}
