//! What `--squid-conf` prints is what Squid understands, without a word of complaint.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use eg_tests::folder::{self, Folder};
use eg_tests::installation::{Installation, Plan};
use eg_tests::programs::{self, Programs};

/// What Squid needs beside our lines to read them at all.
const REST: &str = "http_port 127.0.0.1:3128
http_access deny all
pid_filename none
";

#[test]
fn squid_understands_the_printed_lines() -> Result<()> {
    let squid = programs::of_the_system("squid").context("there is no Squid")?;
    for inspect in ["off", "peek", "bump"] {
        let plan = Plan { inspect, ..Plan::demo() };
        let programs = Programs::beside_this_one()?;
        let installation = Installation::prepare(Folder::temporary()?, &programs, &plan)?;
        let lines = installation.squid_conf_lines()?;
        let conf = installation.path("squid.conf");
        folder::write(&conf, &format!("{REST}{lines}"), 0o644)?;
        let output = Command::new(&squid).args(["-k", "parse", "-f"]).arg(&conf).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{inspect}: {said}\n{lines}");
        for complaint in ["ERROR", "WARNING", "FATAL"] {
            ensure!(!said.contains(complaint), "{inspect}: {said}\n{lines}");
        }
        let asks = lines.lines().any(|line| line.starts_with("external_acl_type "));
        ensure!(asks == (inspect != "off"), "{inspect}:\n{lines}");
    }
    Ok(())
}
