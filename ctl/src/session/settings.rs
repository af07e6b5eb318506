//! Where the engine is and as whom it is asked: what a configuration file and flags say together.

use std::path::{Path, PathBuf};

use eg_proto::control::SOCKET;
use eg_settings::{ConfigFaults, Description, Overrides, Settling, load};

/// The Control API's port, unless something else is said.
pub(crate) const PORT: u16 = 11225;

/// Where the engine is asked where no host is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostless {
    /// At the socket, there or not.
    Socket,
    /// At the socket where it is there, else on this machine over HTTPS.
    SocketOrHere,
}

/// Where the engine is, and as whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it is asked where no host is said.
    pub hostless: Hostless,
    /// The control socket, for where no host is said.
    pub socket: PathBuf,
    /// The engine's machine.
    pub host: Option<String>,
    /// The Control API's port there.
    pub port: u16,
    /// The account.
    pub user: Option<String>,
    /// The engine's certificate.
    pub cert: Option<PathBuf>,
    /// A file that holds an API key.
    pub key_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hostless: Hostless::SocketOrHere,
            socket: PathBuf::from(SOCKET),
            host: None,
            port: PORT,
            user: None,
            cert: None,
            key_file: None,
        }
    }
}

/// A tool's configuration file: what it may say, and what is so where it says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conf {
    /// Its keys.
    pub(crate) description: &'static Description,
    /// The file that is read where none is named.
    pub(crate) usual: &'static str,
    /// Where the engine is asked where no host is said.
    pub(crate) hostless: Hostless,
    /// Whether it has `key_file`.
    pub(crate) key_file: KeyFile,
}

/// Whether a configuration may name a file with an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFile {
    /// It may.
    MayBe,
    /// It has no such key: the environment names the file.
    None,
}

impl Conf {
    /// Reads the configuration at `path`, or the usual one; where that is not there, nothing was said.
    ///
    /// # Errors
    ///
    /// Every fault of the file at once.
    pub(crate) fn read(self, path: Option<&Path>) -> Result<Settings, ConfigFaults> {
        let usual = Path::new(self.usual);
        let path = match path {
            Some(path) => path,
            None if usual.exists() => usual,
            None => return Ok(Settings { hostless: self.hostless, ..Settings::default() }),
        };
        let settle = |settling: &mut Settling<'_>| self.settle(settling);
        load(self.description, path, &Overrides::default(), settle).map(|loaded| loaded.config)
    }

    fn settle(self, settling: &mut Settling<'_>) -> Option<Settings> {
        let mut table = settling.table("global");
        let socket = table.path("socket");
        let port = table.number::<u16>("port");
        let text = |name: &str| table.text(name).filter(|text| !text.is_empty());
        let (host, user) = (text("host"), text("user"));
        let cert = table.optional_path("cert");
        let key_file = match self.key_file {
            KeyFile::MayBe => table.optional_path("key_file"),
            KeyFile::None => None,
        };
        let hostless = self.hostless;
        Some(Settings { hostless, socket: socket?, host, port: port?, user, cert, key_file })
    }
}
