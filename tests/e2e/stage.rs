//! What every story starts from.

use anyhow::{Result, bail};
use eg_tests::folder::Folder;
use eg_tests::installation::{Installation, Plan};
use eg_tests::programs::Programs;
use eg_tests::showcase::{Case, Examiner};
use eg_tests::site::Site;

/// The whole chain with the rules of the demo.
pub(crate) fn site() -> Result<Site> {
    Site::start(Folder::temporary()?, &Programs::beside_this_one()?, &Plan::demo())
}

/// Engine and portal with the rules of the demo, without a Squid.
pub(crate) fn installation(plan: &Plan) -> Result<Installation> {
    Installation::prepare(Folder::temporary()?, &Programs::beside_this_one()?, plan)
}

/// Makes the requests and fails with every row that is not as expected.
pub(crate) fn check(site: &Site, cases: &[Case]) -> Result<()> {
    let mut examiner = Examiner::new(site)?;
    let mut bad = Vec::new();
    for case in cases {
        let row = examiner.examine(case)?;
        if !row.ok {
            bad.push(format!(
                "{} ({}): {}; received {}",
                row.about,
                row.request,
                row.faults.join("; "),
                row.received
            ));
        }
    }
    if !bad.is_empty() {
        bail!("{} of {} rows:\n{}\n{}", bad.len(), cases.len(), bad.join("\n"), site.logs());
    }
    Ok(())
}
