//! An explanation as the Control API says it, so that one form prints what `egpolicy` has worked out and what
//! an engine has answered.
//!
//! Every field is named, so that neither side gets one that the other does not hear of.

use eg_policy::explain as policy;
use eg_proto::control::explain::{Explained, FailedTold, FitTold, Reading, RuleTold, VerdictTold};

/// A whole explanation.
pub(crate) fn explained(told: &policy::Explained) -> Explained {
    let policy::Explained {
        verdict,
        tls,
        views,
        unknown,
        matches,
        waits_for,
        before,
        disabled,
        left_out,
        notes,
        rules,
    } = told;
    let reading = |reading: &policy::Reading| {
        let policy::Reading { view, uri } = reading;
        Reading { view: (*view).to_owned(), uri: uri.clone() }
    };
    Explained {
        verdict: verdict_told(verdict),
        tls: tls.map(str::to_owned),
        views: views.iter().map(reading).collect(),
        unknown: unknown.iter().map(|part| (*part).to_owned()).collect(),
        matches: matches.iter().map(rule).collect(),
        waits_for: waits_for.as_ref().map(rule),
        before: before.iter().map(rule).collect(),
        disabled: disabled.iter().map(rule).collect(),
        left_out: left_out.clone(),
        notes: notes.clone(),
        rules: *rules as u64,
    }
}

fn verdict_told(told: &policy::Told) -> VerdictTold {
    let policy::Told { action, code, rule, id, file, line, reason, category, list, monitored } =
        told.clone();
    let action = action.to_owned();
    VerdictTold { action, code, rule, id, file, line, reason, category, list, monitored }
}

fn rule(told: &policy::RuleTold) -> RuleTold {
    let policy::RuleTold { id, name, action, mode, file, line, outcome, fits, failed } = told;
    RuleTold {
        id: *id,
        name: name.clone(),
        action: (*action).to_owned(),
        mode: (*mode).to_owned(),
        file: file.clone(),
        line: *line,
        outcome: (*outcome).to_owned(),
        fits: fits.iter().map(fit).collect(),
        failed: failed.as_ref().map(failed_told),
    }
}

fn fit(told: &policy::FitTold) -> FitTold {
    let policy::FitTold { attribute, value, on, view, entry, entry_file, entry_line } =
        told.clone();
    let (on, view) = (on.map(str::to_owned), view.map(str::to_owned));
    FitTold { attribute, value, on, view, entry, entry_file, entry_line }
}

fn failed_told(told: &policy::FailedTold) -> FailedTold {
    let policy::FailedTold { attribute, asks, more, seen, lacks, in_part } = told;
    FailedTold {
        attribute: (*attribute).to_owned(),
        asks: asks.clone(),
        more: *more as u64,
        seen: seen.clone(),
        lacks: lacks.map(str::to_owned),
        in_part: *in_part,
    }
}
