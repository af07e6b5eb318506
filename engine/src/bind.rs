//! The doors of the data plane: which listeners the configuration asks for, and how each is had.
//!
//! [`wanted`] says which; each one is bound here, or made out of a listener that somebody handed us
//! ([`Wanted::with`]). Who may come in through a door is `listener`'s.
//!
//! INVARIANT: the file of a UNIX socket is replaced only where it is a socket that nobody listens on.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind as bind_socket, connect, listen,
    socket,
};
use nix::unistd::Group;

use crate::config::{ConnectorConfig, Transport};
use crate::handshake::Guest;

/// Who may open a UNIX socket: the engine's user and the group.
const SOCKET_MODE: u32 = 0o660;

/// The mode of a socket for the engine's user alone.
const PRIVATE_MODE: u32 = 0o600;

/// The group of UNIX sockets, where the system has it; else the folder's.
const SOCKET_GROUP: &str = "enforcegate";

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address.
    Tcp(SocketAddr),
    /// The path of a UNIX socket.
    Socket(PathBuf),
}

impl Place {
    /// Where a connector's table wants it to be.
    #[must_use]
    pub fn of(config: &ConnectorConfig) -> Self {
        match config.net {
            Transport::Tcp => Self::Tcp(SocketAddr::new(config.ip, config.port)),
            Transport::Socket => Self::Socket(config.path.clone()),
        }
    }
}

impl Place {
    /// Whether a listener that was made here earlier can still be reached: the name of a UNIX socket
    /// may be gone, or be another file's.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            Self::Socket(path) => {
                fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// A socket that takes connections.
#[derive(Debug)]
pub enum Listener {
    /// Over TCP.
    Tcp(TcpListener),
    /// Over a UNIX socket.
    Socket(UnixListener),
}

impl Listener {
    /// Another handle of the same socket, which stays open with it.
    ///
    /// # Errors
    /// Where the system has no descriptor left.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Socket(listener) => listener.try_clone().map(Self::Socket),
        }
    }

    /// Where it is. A port that the system chose is the real one.
    ///
    /// # Errors
    /// Where the system does not say, or the socket has no name.
    pub fn place(&self) -> io::Result<Place> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Place::Tcp),
            Self::Socket(listener) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(Path::to_path_buf);
                path.map(Place::Socket)
                    .ok_or_else(|| io::Error::other("the listening UNIX socket has no path"))
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Socket(listener) => listener.as_fd(),
        }
    }
}

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("the address {place} of `[connectors.{connector}]` cannot be listened on")]
pub struct BindFault {
    /// Where it should be.
    pub place: Place,
    /// The first table that names it.
    pub connector: String,
    /// Why.
    #[source]
    pub cause: BindCause,
}

/// What stands in the way of a listener.
#[derive(Debug, thiserror::Error)]
pub enum BindCause {
    /// The system refuses.
    #[error(transparent)]
    System(#[from] io::Error),
    /// Something else has the name.
    #[error("there is a file that is no socket; remove it or choose another `path`")]
    NoSocket,
    /// Somebody listens there.
    #[error("another program listens there; stop it or choose another `path`")]
    Taken,
    /// The folder cannot be used.
    #[error("its folder `{}` cannot be used", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Why the Control API has no address.
#[derive(Debug, thiserror::Error)]
#[error(
    "the address {address} of `[control]` cannot be listened on; stop what listens there, or choose \
     another `ip` or `port`"
)]
pub struct ControlBindFault {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Listens at the address of the Control API.
///
/// # Errors
/// Where it cannot be had.
pub fn bind_control(address: SocketAddr) -> Result<TcpListener, ControlBindFault> {
    TcpListener::bind(address).map_err(|source| ControlBindFault { address, source })
}

/// A bound listener and who may speak on it.
#[derive(Debug)]
pub struct BoundListener {
    /// The listener.
    pub listener: Listener,
    /// The connectors that share it.
    pub guests: Vec<Guest>,
}

/// A listener that the configuration asks for.
#[derive(Debug)]
pub struct Wanted {
    /// Where it shall be.
    pub place: Place,
    /// The first table that names the place.
    pub connector: String,
    /// Who may speak on it.
    pub guests: Vec<Guest>,
}

impl Wanted {
    /// Binds it.
    ///
    /// # Errors
    /// Where the place cannot be had.
    pub fn bind(self) -> Result<BoundListener, BindFault> {
        let Self { place, connector, guests } = self;
        let bound = match &place {
            Place::Tcp(address) => {
                TcpListener::bind(address).map(Listener::Tcp).map_err(BindCause::System)
            }
            Place::Socket(path) => bind_path(path, Access::Group).map(Listener::Socket),
        };
        match bound {
            Ok(listener) => Ok(BoundListener { listener, guests }),
            Err(cause) => Err(BindFault { place, connector, cause }),
        }
    }

    /// Takes a listener that is there already, as from a service manager. It must be at `place`.
    #[must_use]
    pub fn with(self, listener: Listener) -> BoundListener {
        BoundListener { listener, guests: self.guests }
    }
}

/// The listeners of all connectors; tables with the same place share one.
#[must_use]
pub fn wanted(connectors: &[ConnectorConfig]) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for config in connectors {
        let place = Place::of(config);
        let guest = Guest::from(config);
        match wanted.iter_mut().find(|known| known.place == place) {
            Some(known) => known.guests.push(guest),
            None => {
                let connector = config.name.to_string();
                wanted.push(Wanted { place, connector, guests: vec![guest] });
            }
        }
    }
    wanted
}

/// Binds the listeners of all connectors.
///
/// # Errors
/// Where a place cannot be had.
pub fn bind(connectors: &[ConnectorConfig]) -> Result<Vec<BoundListener>, BindFault> {
    wanted(connectors).into_iter().map(Wanted::bind).collect()
}

/// Who may open a socket's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// The engine's user, and a group.
    Group,
    /// The engine's user.
    Own,
}

/// Listens on a path that only the engine's user can open.
///
/// # Errors
/// What stands in the way.
pub(crate) fn bind_private(path: &Path) -> Result<UnixListener, BindCause> {
    bind_path(path, Access::Own)
}

/// Listens on a path. The folder is locked meanwhile, so that of two engines that start at once one
/// does not take the other's fresh socket for a stale one.
fn bind_path(path: &Path, access: Access) -> Result<UnixListener, BindCause> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let unusable = |source| BindCause::Folder { folder: folder.to_path_buf(), source };
    let opened = File::open(folder).map_err(unusable)?;
    let locked = Flock::lock(opened, FlockArg::LockExclusive)
        .map_err(|(_, fault)| unusable(fault.into()))?;
    make_room(path)?;
    let address = UnixAddr::new(path).map_err(io::Error::from)?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let made =
        socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(io::Error::from)?;
    bind_socket(made.as_raw_fd(), &address).map_err(io::Error::from)?;
    // Nobody can connect before `listen`, so nobody does before group and mode are right.
    let mode = match access {
        Access::Own => PRIVATE_MODE,
        Access::Group => {
            give_to_group(path, locked.metadata().map_err(unusable)?.gid());
            SOCKET_MODE
        }
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    listen(&made, Backlog::MAXCONN).map_err(io::Error::from)?;
    Ok(UnixListener::from(made))
}

/// Gives a socket to the group of sockets, or to its folder's.
fn give_to_group(path: &Path, folder_group: u32) {
    let own_group = Group::from_name(SOCKET_GROUP).ok().flatten();
    let group = own_group.map_or(folder_group, |group| group.gid.as_raw());
    if let Err(fault) = std::os::unix::fs::chown(path, None, Some(group)) {
        let path = path.display();
        tracing::warn!(%path, group, %fault, "the socket cannot be given to its group");
    }
}

/// Removes a socket that an engine left behind, and nothing else.
fn make_room(path: &Path) -> Result<(), BindCause> {
    match fs::symlink_metadata(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(fault.into()),
        Ok(found) if !found.file_type().is_socket() => return Err(BindCause::NoSocket),
        Ok(_) => {}
    }
    // Without waiting: whoever listens and takes nobody in would hold up the start for ever.
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe =
        socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(io::Error::from)?;
    let address = UnixAddr::new(path).map_err(io::Error::from)?;
    match connect(probe.as_raw_fd(), &address) {
        Err(Errno::ECONNREFUSED) => fs::remove_file(path).map_err(BindCause::System),
        // Whatever is in the way, as a full queue or a missing right: somebody may listen.
        Ok(()) | Err(_) => Err(BindCause::Taken),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    fn listen_on(path: &Path) -> Result<UnixListener, String> {
        bind_path(path, Access::Group).map_err(|cause| cause.to_string())
    }

    #[test]
    fn replaces_only_a_socket_that_nobody_listens_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("squid.sock");
        let first = listen_on(&path).unwrap();
        assert!(listen_on(&path).unwrap_err().contains("another program listens"));
        // The first is none the worse for it.
        let mut client = UnixStream::connect(&path).unwrap();
        let (mut probe, _) = first.accept().unwrap();
        assert_eq!(probe.read(&mut [0]).unwrap(), 0, "the look of the second");
        let (mut served, _) = first.accept().unwrap();
        client.write_all(b"x").unwrap();
        assert_eq!(served.read(&mut [0]).unwrap(), 1);
        drop(first);
        assert!(path.exists(), "it is left behind, as by an engine that was killed");
        let second = listen_on(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(second.accept().unwrap());
    }

    #[test]
    fn does_not_wait_for_a_program_that_takes_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("squid.sock");
        let flags = SockFlag::SOCK_CLOEXEC;
        let deaf = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        bind_socket(deaf.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
        listen(&deaf, Backlog::new(0).unwrap()).unwrap();
        // Its queue has room for one.
        let waiting = UnixStream::connect(&path).unwrap();
        let (said, hears) = channel();
        let asked = path.clone();
        std::thread::spawn(move || said.send(listen_on(&asked).map(drop)));
        let heard = hears.recv_timeout(Duration::from_secs(20)).expect("an answer");
        assert!(heard.unwrap_err().contains("another program listens"));
        assert!(path.exists());
        drop(waiting);
    }

    #[test]
    fn touches_nothing_that_is_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "precious").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [&file, &link, &folder.path().to_path_buf()] {
            assert!(listen_on(path).unwrap_err().contains("no socket"), "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        assert!(link.is_symlink());
        let nowhere = folder.path().join("missing/squid.sock");
        assert!(listen_on(&nowhere).unwrap_err().contains("missing` cannot be used"));
        let long = folder.path().join("x".repeat(200));
        assert!(listen_on(&long).is_err());
    }

    #[test]
    fn only_user_and_group_may_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("squid.sock");
        let listener = Listener::Socket(listen_on(&path).unwrap());
        let found = fs::metadata(&path).unwrap();
        assert_eq!(found.mode() & 0o7777, SOCKET_MODE);
        if Group::from_name(SOCKET_GROUP).unwrap().is_none() {
            assert_eq!(found.gid(), fs::metadata(folder.path()).unwrap().gid());
        }
        assert_eq!(listener.place().unwrap(), Place::Socket(path));
        let path = folder.path().join("control.sock");
        let _listener = bind_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, PRIVATE_MODE);
    }
}
