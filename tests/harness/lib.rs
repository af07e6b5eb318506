//! Starts the real programs below one folder, asks them real requests, and stops them again.
//!
//! The demo, the end-to-end tests and the bench of the chain share it: what the demo shows is what the
//! tests hold. Nothing here decides anything; verdicts are read from the engine's audit trail and from
//! the payload that the portal would open.
//!
//! ```text
//! folder, programs, process     where things lie, what is run, and that it ends
//! material                      keys, secrets, certificates
//! origin, squid, installation,
//! site                          the programs and their configuration
//! browser, lines, pace          who asks: through Squid, or as Squid, or as a busy one
//! api                           an operator's tool, by hand
//! pair                          two engines and one connector
//! walk, weeks                   what is due by a plain walk through lists, and lists that change
//! trail, showcase, rows         what was decided, and a table of requests with what is due
//! small_disk                    a disk that fills up or lets nobody write
//! terminal                      an operator's own: keys in, a screen out
//! witness                       a Squid without us, and what it does by itself
//! ```

pub mod api;
pub mod browser;
pub mod folder;
pub mod installation;
pub mod interrupt;
pub mod lines;
pub mod material;
pub mod origin;
pub mod pace;
pub mod pair;
pub mod process;
pub mod programs;
pub mod rows;
pub mod shared;
pub mod showcase;
pub mod small_disk;
pub mod site;
pub mod squid;
pub mod terminal;
pub mod tls;
pub mod trail;
pub mod wait;
pub mod walk;
pub mod weeks;
pub mod witness;
