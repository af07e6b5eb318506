//! The five system calls that Rust cannot vouch for, and a setting of libgit2, each behind the check
//! that makes it sound. The only module of the engine with `unsafe`.

#![expect(
    unsafe_code,
    reason = "fork, a descriptor by its number, an end without destructors, a thread's priority, the \
              kernel's clock, libgit2's paths"
)]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use git2::ConfigLevel;
use git2::opts::set_search_path;
use nix::unistd::{ForkResult, fork as nix_fork};

/// Standard input, output and error are never handed over.
const FIRST: RawFd = 3;

/// Where the system lists this process's threads.
const THREADS: &str = "/proc/self/task";

/// Makes a second process out of this one.
///
/// # Errors
///
/// Where another thread runs, since the locks it holds would stay locked in the child for ever; and
/// where the system refuses.
pub(super) fn fork() -> io::Result<ForkResult> {
    if std::fs::read_dir(THREADS)?.count() != 1 {
        return Err(io::Error::other("another thread runs already"));
    }
    // SAFETY: this is the only thread, so the child inherits no lock that nobody will release.
    unsafe { nix_fork() }.map_err(Into::into)
}

/// The descriptors that whoever started this program left open for it, by their numbers, each one at
/// most once. Only the first call gives any.
///
/// # Errors
///
/// Where a number is not open, stands for standard input, output or error, or comes twice.
pub(super) fn adopt_all(numbers: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
    static ADOPTED: AtomicBool = AtomicBool::new(false);
    if ADOPTED.swap(true, Ordering::AcqRel) {
        return Err(io::Error::other("descriptors are taken over once, at the start"));
    }
    for (at, number) in numbers.iter().enumerate() {
        let again = numbers.iter().take(at).any(|before| before == number);
        let open = std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
        if *number < FIRST || again || !open {
            return Err(io::Error::other(format!("descriptor {number} was not left open")));
        }
    }
    // SAFETY: each number is open and comes once, and this is the only call that gets this far, before
    // anything else of the program opens descriptors: nobody else owns one of them.
    Ok(numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }).collect())
}

/// Ends the process at once, without the destructors of libraries that other threads may be using.
pub fn leave(status: u8) -> ! {
    // SAFETY: ends the process; no memory is used afterwards.
    unsafe { nix::libc::_exit(i32::from(status)) }
}

/// Lets this thread stand back behind others by `steps` of the system's scale; where the system refuses,
/// nothing changes.
pub fn stand_back(steps: u8) {
    // SAFETY: takes three numbers and touches no memory. Number 0 is the calling thread, for Linux keeps a
    // priority a thread (sched(7)).
    let _ = unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, i32::from(steps)) };
}

/// Whether the kernel says that its clock is synchronised; `None` where it does not say.
pub fn clock_is_synchronised() -> Option<bool> {
    // SAFETY: every field is a number, for which zero is a value.
    let mut told: nix::libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` of ours; with `modes` 0 the kernel only fills it in.
    let state = unsafe { nix::libc::adjtimex(&raw mut told) };
    (state >= 0)
        .then_some(state != nix::libc::TIME_ERROR && told.status & nix::libc::STA_UNSYNC == 0)
}

/// Tells libgit2, once, to look for configuration, attributes and ignored names in the repository
/// alone: neither the machine's nor a user's. To be called before anything else of libgit2 is.
///
/// # Errors
///
/// What libgit2 says, the same at each call.
pub fn without_git_configuration() -> Result<(), String> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let levels =
        [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global];
    let set = || {
        levels.into_iter().try_for_each(|level| {
            // SAFETY: the paths are globals of libgit2. Only `git` uses it, and each of its ways there
            // calls this first; whoever comes meanwhile waits here until they are set.
            unsafe { set_search_path(level, "") }.map_err(|fault| fault.to_string())
        })
    };
    DONE.get_or_init(set).clone()
}
