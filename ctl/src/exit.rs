//! Exit codes, each with its meaning.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and nothing to complain about but warnings.
    Done,
    /// 1: what was looked at has faults, or could not be read or written.
    Failed,
    /// 2: the command line makes no sense.
    Usage,
    /// 3: `convert` has written a policy, and the loss report has something to read.
    Losses,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Losses => Self::from(3),
        }
    }
}
