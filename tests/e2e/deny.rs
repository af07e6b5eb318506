//! What is denied never reaches the origin, and the client learns why.

use anyhow::Result;
use eg_tests::showcase;

use crate::stage;

#[test]
fn denied_requests_end_at_the_portal() -> Result<()> {
    let site = stage::site()?;
    stage::check(&site, &showcase::stopped())?;
    site.stop()
}
