//! The process and those who run it: signals, detaching, the pid file, the descriptors that come along
//! at a start, the service manager, and the file that says why a start failed (ADR 0019).

mod signals;
mod raw;
mod detach;
mod pid_file;
mod handed;
mod supervisor;
mod last_error;

pub use detach::{Caller, DetachFault, Detached, detach};
pub use handed::{Handed, HandedFault, Heirloom, Restart, RestartFault};
pub use last_error::{LastError, LastErrorFault, Reason};
pub use pid_file::{PidFault, PidFile};
pub use raw::{clock_is_synchronised, leave, stand_back, without_git_configuration};
pub use signals::{Asked, RestartDesk, Signals, ask_again};
pub use supervisor::{Supervisor, Told};
