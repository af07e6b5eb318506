//! Where the engine is and as whom it is asked: what a configuration file and flags say together.

use std::path::PathBuf;

use eg_proto::control::SOCKET;

/// The Control API's port, unless something else is said.
pub const PORT: u16 = 11225;

/// Where the engine is, and as whom it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
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
            socket: PathBuf::from(SOCKET),
            host: None,
            port: PORT,
            user: None,
            cert: None,
            key_file: None,
        }
    }
}
