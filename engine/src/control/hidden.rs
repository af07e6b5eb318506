//! What is hidden below level 10 (SPEC 9): patterns, the paths of lists and their lines. Whoever may load
//! the policy and not see it, as a service account, hears how it went: counts, codes, files and lines.

use eg_proto::control::{FaultRow, LivePolicy, Problem, ProblemKind, Receipt};

use super::operator::Operator;
use crate::asks::{Answer, Done};

/// In the place of a text that may name a pattern or a list.
const HIDDEN: &str = "hidden below level 10";

/// In the place of a reason that may name one.
const REFUSED: &str = "why is hidden below level 10; an Administrator finds it in `show log`";

/// The answer as `operator` may see it.
pub(super) fn from_answer(answer: Answer, operator: &Operator) -> Answer {
    if operator.sees_patterns() {
        return answer;
    }
    match answer {
        Ok(Done::Reload(mut receipt)) => {
            from_receipt(&mut receipt);
            Ok(Done::Reload(receipt))
        }
        Err(mut problem) => {
            from_problem(&mut problem);
            Err(problem)
        }
        // Nobody below level 10 asks for any of these.
        Ok(Done::Rollback(_) | Done::Commit(_) | Done::Confirmed(_) | Done::Git(_)) => {
            let detail = "the answer is for level 10 and above";
            Err(Problem::new(ProblemKind::Forbidden, detail))
        }
    }
}

/// What is live, without its lists.
pub(super) fn from_live(live: &mut LivePolicy) {
    live.lists.clear();
}

fn from_receipt(receipt: &mut Receipt) {
    receipt.lists.clear();
    receipt.changes.lists.names.clear();
    receipt.warnings.iter_mut().for_each(from_fault);
    receipt.notes.clear();
}

fn from_problem(problem: &mut Problem) {
    // The sentence may name a list or a pattern; the engine's log has it.
    if matches!(problem.kind, ProblemKind::PolicyRefused | ProblemKind::Failed) {
        REFUSED.clone_into(&mut problem.detail);
    }
    problem.diagnostics.iter_mut().for_each(from_fault);
}

fn from_fault(fault: &mut FaultRow) {
    HIDDEN.clone_into(&mut fault.message);
    fault.help.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_policy_says_where_and_not_what() {
        let mut problem = Problem::new(ProblemKind::PolicyRefused, "`lists/secret.list` is gone");
        problem.diagnostics.push(FaultRow {
            code: "EGP051".to_owned(),
            severity: "error".to_owned(),
            file: "10-a.policy".to_owned(),
            line: 7,
            column: 3,
            message: "`secret(` is no regex".to_owned(),
            help: "close `secret(`".to_owned(),
        });
        from_problem(&mut problem);
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("EGP051") && text.contains("10-a.policy") && text.contains("7"));
        let mut busy = Problem::new(ProblemKind::Busy, "16 asks wait");
        from_problem(&mut busy);
        assert_eq!(busy.detail, "16 asks wait");
    }
}
