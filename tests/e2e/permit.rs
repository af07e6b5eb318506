//! What is permitted reaches the origin, and a permitted tunnel stays private.

use anyhow::Result;
use eg_tests::showcase;

use crate::stage;

#[test]
fn permitted_requests_reach_the_origin_unchanged() -> Result<()> {
    let site = stage::site()?;
    stage::check(&site, &showcase::permitted())?;
    site.stop()
}
