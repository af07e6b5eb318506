//! An installation with everything around it: the Squid before it and the origin behind it.

use anyhow::Result;

use crate::folder::Folder;
use crate::installation::{Installation, Plan};
use crate::material::{self, Authority};
use crate::origin::Origin;
use crate::programs::Programs;
use crate::squid::Squid;

/// An installation with the Squid before it and the origin behind it.
#[derive(Debug)]
pub struct Site {
    /// The proxy.
    pub squid: Squid,
    /// The web site behind it.
    pub origin: Origin,
    /// Engine and portal.
    pub installation: Installation,
    /// Who signs what Squid shows in place of a denied site.
    pub inspection: Authority,
}

impl Site {
    /// Starts everything below a new folder.
    ///
    /// # Errors
    ///
    /// If a program does not get ready; the end of its log is in the message.
    pub fn start(folder: Folder, programs: &Programs, plan: &Plan) -> Result<Self> {
        Self::start_with(folder, programs, plan, |_| Ok(()))
    }

    /// As [`Self::start`], with a change to the configuration before anything runs.
    ///
    /// # Errors
    ///
    /// If a program does not get ready; the end of its log is in the message.
    pub fn start_with(
        folder: Folder,
        programs: &Programs,
        plan: &Plan,
        change: impl FnOnce(&Installation) -> Result<()>,
    ) -> Result<Self> {
        let names = crate::showcase::NAMES;
        let signer = material::authority("EnforceGate harness: origins")?;
        let origin = Origin::start(signer.leaf(names)?)?;
        let inspection = material::authority("EnforceGate harness: inspection")?;
        let mut installation = Installation::prepare(folder, programs, plan)?;
        change(&installation)?;
        installation.start_engine()?;
        installation.start_portal()?;
        let squid = Squid::start(&installation, &inspection, &signer, names)?;
        Ok(Self { squid, origin, installation, inspection })
    }

    /// Stops everything, Squid first, and says if something did not end by itself.
    ///
    /// # Errors
    ///
    /// If a program had to be killed.
    pub fn stop(mut self) -> Result<()> {
        let squid = self.squid.stop();
        let installation = self.installation.stop();
        squid.and(installation)
    }

    /// The ends of all logs, for a failure.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for log in ["log/engine.log", "log/portal.log", "squid/cache.log", "squid/access.log"] {
            let tail = crate::process::tail(&self.installation.path(log));
            text.push_str(&format!("--- {log}\n{tail}\n"));
        }
        text
    }
}
