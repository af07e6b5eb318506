//! What the chores tell the person who runs them. Progress goes to stderr and results to stdout, so
//! that `--json` can be piped.

use std::io::Write as _;

/// A line of progress. A closed stderr is no reason to fail.
pub(crate) fn line(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(writeln!(stderr, "{text}"));
}

/// The result itself.
///
/// # Errors
///
/// If stdout is closed.
pub(crate) fn result(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}
