//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Where the configuration is when nothing else is said.
const CONFIG_PATH: &str = "/etc/enforcegate/squid-connector.conf";

/// Squid's helper: asks the EnforceGate engine about every request.
///
/// Squid starts it as `url_rewrite_program`, and with `--acl` for `external_acl_type`; `--squid-conf`
/// prints the lines for squid.conf.
#[derive(Debug, Parser)]
#[command(name = "enforcegate-squid-connector", disable_version_flag = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own on the command line")]
pub(crate) struct Args {
    /// The configuration file.
    #[arg(short = 'c', long = "conf", value_name = "PATH", default_value = CONFIG_PATH)]
    pub(crate) config: PathBuf,

    /// Print the version and exit with status 2.
    #[arg(short = 'v', long)]
    pub(crate) version: bool,

    /// Serve as `external_acl_type` helper: what is to be done with TLS.
    #[arg(long, conflicts_with = "squid_conf")]
    pub(crate) acl: bool,

    /// Print the lines for squid.conf; asks the engine for the portal's address.
    #[arg(long)]
    pub(crate) squid_conf: bool,

    /// With --squid-conf: the portal's address, instead of asking the engine.
    #[arg(long, value_name = "URL", requires = "squid_conf")]
    pub(crate) base_url: Option<String>,

    /// With --base-url: the status of the redirect, 302, 303 or 307.
    #[arg(long, value_name = "STATUS", requires = "base_url", default_value_t = 302)]
    pub(crate) redirect_status: u16,

    /// Prove that no failure opens the gate (not in this version yet).
    #[arg(long)]
    pub(crate) doctor: bool,

    /// Log from this level on: emergency, alert, critical, error, warning, notice, info, debug.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) loglevel: Option<String>,

    /// Log to `console` (stderr), `file` or `syslog`; never to stdout, which belongs to Squid.
    #[arg(long, value_name = "TYPE")]
    pub(crate) logtype: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use eg_settings::in_tree;

    use super::*;

    #[test]
    fn the_manual_has_every_flag() {
        let page = std::fs::read_to_string(in_tree("docs/manual/connector.md").unwrap()).unwrap();
        let flags = Args::command();
        let flags: Vec<_> = flags.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert!(flags.len() >= 9, "{flags:?}");
        for flag in flags {
            let there = [format!("`--{flag}`"), format!("`--{flag} ")];
            assert!(there.iter().any(|text| page.contains(text)), "--{flag} is not in the manual");
        }
    }
}
