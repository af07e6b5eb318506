//! Settings to a [`Config`], or to every fault at once.

use std::net::SocketAddr;
use std::path::Path;

use eg_proto::{Opener, PortalSecret};
use eg_settings::log::Logging;
use eg_settings::{ConfigFaults, Overrides, Readers, SecretKeys, Settling, Table, load};

use super::keys::PORTAL_CONF;

/// The portal's settings, checked.
#[derive(Debug)]
pub struct Config {
    /// The address of the plain listener.
    pub listen: SocketAddr,
    /// Opens what redirects carry, under the current secret and the one before it.
    pub opener: Opener,
    /// `[logging]`
    pub logging: Logging,
    /// The keys that are set to something that has no effect in this version.
    pub not_yet: Vec<String>,
}

/// The portal's configuration and what its operator should be warned about.
pub type Loaded = eg_settings::Loaded<Config>;

impl Config {
    /// Reads the file at `path`; relative paths in it start at its folder.
    ///
    /// # Errors
    ///
    /// Every fault of the file at once; nothing is written anywhere.
    pub fn read(path: &Path) -> Result<Loaded, ConfigFaults> {
        load(&PORTAL_CONF, path, &Overrides::default(), config)
    }
}

fn config(settling: &mut Settling<'_>) -> Option<Config> {
    let mut table = settling.table("portal");
    let listen = listen(&mut table);
    let current = table.secret(&SECRET, PortalSecret::parse);
    let previous = table.secret_file("previous_secret_file", SECRET.readers, PortalSecret::parse);
    let logging = Logging::settle(&mut settling.table("logging"));
    Some(Config {
        listen: listen?,
        opener: Opener::new(current?.0, previous),
        logging: logging?,
        not_yet: settling.not_yet(),
    })
}

fn listen(table: &mut Table<'_>) -> Option<SocketAddr> {
    if table.text("listen").is_some_and(|text| text.is_empty()) {
        table.fault("listen", "`listen` in `[portal]` must not be empty".to_owned());
    }
    table.listen("listen")
}

/// The two ways to give the secret.
const SECRET: SecretKeys = SecretKeys {
    inline: "secret",
    file: "secret_file",
    readers: Readers::Group,
    what: "32 bytes in base64, the same as the engine's",
};

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use eg_settings::log::{Level, LogType};
    use eg_settings::{hold_page, in_tree, with_manual_table};

    use super::*;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("portal.conf");
        fs::write(&path, text).unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, format!("{SECRET}\n")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
        let loaded = Config::read(&path);
        let loaded = loaded.inspect(|loaded| assert_eq!(loaded.warnings, Vec::<String>::new()));
        loaded
            .map(|loaded| loaded.config)
            .map_err(|faults| faults.to_string().replace(folder.path().to_str().unwrap(), "FOLDER"))
    }

    #[test]
    fn the_smallest_file_listens_on_8000() {
        let config = read("[portal]\nsecret_file = \"secret\"\n").unwrap();
        assert_eq!(config.listen.port(), 8000);
        assert_eq!((config.logging.kind, config.logging.level), (LogType::Console, Level::Notice));
        assert!(config.not_yet.is_empty());
    }

    #[test]
    fn settings_of_later_versions_are_named() {
        let text = format!("[portal]\nsecret = \"{SECRET}\"\ncontent = \"pages\"\n");
        assert_eq!(read(&text).unwrap().not_yet, ["[portal] content"]);
    }

    #[test]
    fn faults_name_file_line_and_column() {
        let with = |rest: &str| format!("[portal]\nsecret_file = \"secret\"\n{rest}");
        for (text, expected) in [
            (
                with("secrets = \"x\"\n"),
                "3:1: unknown key `secrets` in `[portal]`; the nearest is `secret`",
            ),
            ("[portal]\n".to_owned(), "1:2: `secret_file`, or `secret`, is required in `[portal]`"),
            (
                with(&format!("secret = \"{SECRET}\"\n")),
                "2:1: `secret` and `secret_file` are both given",
            ),
            ("[portal]\nsecret = \"c2hvcnQ=\"\n".to_owned(), "2:1: `secret`: "),
            ("[portal]\nsecret_file = \"no\"\n".to_owned(), "2:1: cannot read `FOLDER/no`"),
            (with("previous_secret_file = \"no\"\n"), "3:1: cannot read `FOLDER/no`"),
            (with("listen = \"8000\"\n"), "3:1: `listen` is `8000`; it must be an address"),
            (with("listen = \"\"\n"), "3:1: `listen` in `[portal]` must not be empty"),
            (with("report_mistakes = 1\n"), "3:19: `report_mistakes` takes `true` or `false`"),
            (with("[loging]\n"), "3:2: unknown section `[loging]`; the nearest is `[logging]`"),
            (with("[logging]\nlevel = \"loud\"\n"), "4:1: `level` is `loud`; it must be"),
            (with("[logging]\ntype = \"file\"\n"), "4:1: `type` is `file`, which needs `file`"),
        ] {
            let fault = read(&text).unwrap_err();
            assert!(fault.starts_with(&format!("FOLDER/portal.conf:{expected}")), "{fault}");
            assert_eq!(fault.lines().count(), 1, "{fault}");
        }
    }

    #[test]
    fn all_faults_come_at_once_and_show_no_secret() {
        let fault = read(
            "[portal]\nlisten = \"x\"\nsecret = \"hush\"\ntls = 1\n[logging]\nlevel = \"loud\"\n",
        )
        .unwrap_err();
        assert_eq!(fault.lines().count(), 4, "{fault}");
        assert!(!fault.contains("hush"), "{fault}");
    }

    #[test]
    fn the_shipped_file_is_right() {
        let text = fs::read_to_string(in_tree("packaging/config/portal.conf").unwrap()).unwrap();
        let shared = "/etc/enforcegate-shared/captive-portal-secret";
        assert!(text.contains(shared));
        let config = read(&text.replace(shared, "secret")).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
        assert!(config.not_yet.is_empty());
    }

    /// The manual's table is the description of keys. `EG_WRITE_MANUAL=1` writes it.
    #[test]
    fn the_manual_has_the_table_of_keys() {
        hold_page("docs/manual/portal.md", |page| with_manual_table(page, &PORTAL_CONF)).unwrap();
    }
}
