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
    /// 3: the engine does not let whoever asks do this.
    Refused,
    /// 4: the engine cannot be reached.
    Unreachable,
    /// 5: everything was done, and the verdict that was asked about is not permit.
    NotPermitted,
    /// 6: `convert` has written a policy, and the loss report has something to read.
    Losses,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Refused => Self::from(3),
            Exit::Unreachable => Self::from(4),
            Exit::NotPermitted => Self::from(5),
            Exit::Losses => Self::from(6),
        }
    }
}
