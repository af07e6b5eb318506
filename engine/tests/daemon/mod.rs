//! The real binary as a daemon: in the background, below a service manager, with syslog, and how it
//! tells why it does not start.

mod background;
mod failures;
mod restart;
mod stuck;
mod supervised;
mod syslog;
