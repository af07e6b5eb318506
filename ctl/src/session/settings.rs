//! Where the engine is and as whom it is asked: what a configuration file and flags say together.

use std::path::PathBuf;

use eg_proto::control::SOCKET;

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
