//! What the log says of policies: what a reload did, and every fault of a file.

use eg_policy::diagnostic::{Diagnostic, Severity};

use crate::reload::{Guards, Receipt, ReloadFault};

/// Logs what a reload did.
pub(crate) fn report(receipt: &Receipt, what: &str) {
    report_diagnostics(&receipt.warnings);
    for note in &receipt.notes {
        tracing::warn!("{note}");
    }
    tracing::info!(
        by = %receipt.order.by,
        force = receipt.order.guards == Guards::Overridden,
        revision = receipt.revision,
        rules = receipt.rules,
        lists = receipt.lists,
        parsed = receipt.parsed,
        names = receipt.entries,
        regexes = receipt.regexes.patterns,
        domains = receipt.regexes.lowered.domains,
        exact_hosts = receipt.regexes.lowered.exact_hosts,
        uri_hosts = receipt.regexes.lowered.uri_hosts,
        literals = receipt.regexes.lowered.literals,
        scanned = receipt.regexes.scanned(),
        scanned_literals = receipt.regexes.literals,
        fallback = receipt.regexes.fallback,
        shards_compiled = receipt.regexes.compiled,
        added = receipt.changes.added.count,
        removed = receipt.changes.removed.count,
        changed = receipt.changes.changed.count,
        ms = u64::try_from(receipt.took.as_millis()).unwrap_or(u64::MAX),
        digest = %receipt.digest,
        "{what}"
    );
}

/// Logs why a policy was refused, each fault on a line.
pub(crate) fn report_fault(fault: &ReloadFault) {
    if let ReloadFault::Policy { diagnostics } = fault {
        report_diagnostics(diagnostics);
    }
}

/// Logs faults of policy files by their severity, each with what to do about it.
fn report_diagnostics(diagnostics: &[Diagnostic]) {
    macro_rules! log {
        ($level:ident, $diagnostic:expr) => {{
            let Diagnostic { code, place, message, help, .. } = $diagnostic;
            let help = help.as_deref().unwrap_or_else(|| code.advice());
            let (file, line, column) = (&place.file, place.line, place.column);
            tracing::$level!(file, line, column, code = code.id(), help, "{message}");
        }};
    }
    for diagnostic in diagnostics {
        match diagnostic.severity {
            Severity::Error => log!(error, diagnostic),
            Severity::Warning => log!(warn, diagnostic),
            Severity::Note => log!(info, diagnostic),
        }
    }
}
