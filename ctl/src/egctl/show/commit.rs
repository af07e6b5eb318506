//! What a commit did.

use std::io;

use eg_proto::control::edit::{CommitReceipt, Unconfirmed};

use super::super::screen::{Mark, Screen, duration};
use crate::receipt;

/// Prints what a commit did, or would do.
///
/// # Errors
///
/// What the output says.
pub(crate) fn committed(screen: &mut Screen<'_>, found: &CommitReceipt) -> io::Result<()> {
    let CommitReceipt { added, changed, removed, base: _, reload, unconfirmed: waits } = found;
    for (what, files) in [("added", added), ("changed", changed), ("removed", removed)] {
        for file in files {
            screen.line(&format!("file {what}: {file}"))?;
        }
    }
    receipt::receipt(&mut screen.out(), reload)?;
    match waits {
        Some(waits) => unconfirmed(screen, waits),
        None => Ok(()),
    }
}

pub(super) fn unconfirmed(screen: &mut Screen<'_>, waits: &Unconfirmed) -> io::Result<()> {
    let Unconfirmed { by, until, left_s, snapshot } = waits;
    let sentence = format!(
        "the commit of {by} rolls back to {snapshot} at {until}, in {}, unless it is confirmed: \
         request policy confirm",
        duration(*left_s)
    );
    screen.field(12, "Unconfirmed", Mark::Beware, &sentence)
}
