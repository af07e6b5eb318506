//! `egctl.conf`: where the engine is, and as whom it is asked.

use std::path::Path;

use Fallback::{Nothing, Value};
use eg_proto::control::SOCKET;
use eg_settings::{ConfigFaults, Description, Fallback, Key, Kind, key};

use crate::session::{Conf, Hostless, KeyFile, Settings};

/// The file that is read where none is named.
pub(crate) const CONF: &str = "/etc/enforcegate/egctl.conf";

/// What `egctl.conf` may say.
pub const EGCTL_CONF: Description = Description {
    keys: KEYS,
    families: &[],
    rivals: &[],
    // What the environment may say is no key of the file: `EGCTL_PASSWORD_FILE`, `EGCTL_KEY_FILE`.
    environment: None,
};

/// Every key, in the manual's order.
#[rustfmt::skip] // a table is read by columns
const KEYS: &[Key] = &[
    key("global", "host", Kind::Text, Nothing("the socket where it is there, else 127.0.0.1"),
        "the engine's machine, for the Control API over HTTPS"),
    key("global", "port", Kind::Integer { least: 1, most: 65535 }, Value("11225"),
        "the Control API's port"),
    key("global", "user", Kind::Text, Nothing("the user of this machine"),
        "the account to log in as"),
    key("global", "cert", Kind::Path, Nothing("what was seen at first"),
        "the engine's certificate in PEM; its public key is pinned"),
    key("global", "socket", Kind::Path, Value(SOCKET),
        "the engine's control socket, as `[control] socket` in engine.conf"),
];

/// Reads the configuration at `path`, or the usual one; where that is not there, nothing was said.
///
/// # Errors
///
/// Every fault of the file at once.
pub(crate) fn read(path: Option<&Path>) -> Result<Settings, ConfigFaults> {
    let conf = Conf {
        description: &EGCTL_CONF,
        usual: CONF,
        hostless: Hostless::SocketOrHere,
        key_file: KeyFile::None,
    };
    conf.read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_where_the_engine_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("egctl.conf");
        let text = "[global]\nhost = \"fe80::1\"\nport = 4433\nuser = \"ada\"\ncert = \"e.pem\"\n";
        std::fs::write(&path, text).unwrap();
        let expected = Settings {
            host: Some("fe80::1".to_owned()),
            port: 4433,
            user: Some("ada".to_owned()),
            cert: Some(folder.path().join("e.pem")),
            ..Settings::default()
        };
        assert_eq!(read(Some(&path)).unwrap(), expected);
        std::fs::write(&path, "[global]\nhost = \"\"\n").unwrap();
        assert_eq!(read(Some(&path)).unwrap(), Settings::default());
        for (text, expected) in [
            ("[global]\nhots = \"x\"\n", "`host`"),
            ("[global]\nsocket = \"\"\n", "must not be empty"),
            ("[control]\n", "control"),
            ("[global]\nport = 0\n", "1 to 65535"),
            ("[global]\nkey_file = \"x\"\n", "key_file"),
        ] {
            std::fs::write(&path, text).unwrap();
            let told = read(Some(&path)).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        }
        assert!(read(Some(&folder.path().join("none"))).is_err());
    }
}
