//! Two engines with the same rules, and one connector that knows both.

use std::time::{Duration, Instant};

use anyhow::Result;
use eg_proto::Opener;

use crate::folder::{self, Folder};
use crate::installation::{Installation, Plan};
use crate::programs::Programs;

/// Which engine is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Always the one that is asked first.
    First,
    /// Each in turn, so that the one that is asked is hit again and again.
    InTurn,
}

/// How often an engine is killed.
const KILLED_EVERY: Duration = Duration::from_secs(1);

/// Two installations; the connector's configuration is the first one's.
#[derive(Debug)]
pub struct Pair {
    /// The engine that is asked first, and the connector.
    pub first: Installation,
    /// The engine that stands by.
    pub second: Installation,
}

impl Pair {
    /// Configures both and starts both engines.
    ///
    /// # Errors
    ///
    /// If an engine does not get ready.
    pub fn start(programs: &Programs, plan: &Plan) -> Result<Self> {
        let mut first = Installation::prepare(Folder::temporary()?, programs, plan)?;
        let mut second = Installation::prepare(Folder::temporary()?, programs, plan)?;
        let mut text = String::new();
        for (name, installation) in [("first", &first), ("second", &second)] {
            let settings = installation.right_settings();
            let certificate = first.path(&format!("connector/{name}.pem"));
            folder::write(&certificate, &settings.certificate_pem, 0o644)?;
            text += &format!(
                "[engine.{name}]\nhost = \"{}\"\nport = {}\nkey = \"{}\"\ncert = \"{name}.pem\"\n\n",
                settings.engine.ip(),
                settings.engine.port(),
                settings.key,
            );
        }
        text += "[connector]\nname = \"squid\"\n\n[logging]\nlevel = \"notice\"\n";
        folder::write(&first.connector_conf(), &text, 0o640)?;
        first.start_engine()?;
        second.start_engine()?;
        Ok(Self { first, second })
    }

    /// Kills an engine every second until `until`, each time starting it again at once and waiting until
    /// it is ready. Says how often.
    ///
    /// # Errors
    ///
    /// If it does not get ready again.
    pub fn kill_every_second(
        &mut self,
        victim: Victim,
        start: Instant,
        until: Duration,
    ) -> Result<usize> {
        let mut kills: usize = 0;
        let mut next = KILLED_EVERY;
        while next < until {
            std::thread::sleep((start + next).saturating_duration_since(Instant::now()));
            let engine = match victim {
                Victim::InTurn if !kills.is_multiple_of(2) => &mut self.second,
                Victim::First | Victim::InTurn => &mut self.first,
            };
            engine.engine()?.kill()?;
            engine.start_engine()?;
            kills += 1;
            // Where a start takes longer than a second, the next kill is a second after it.
            next = (next + KILLED_EVERY).max(start.elapsed());
        }
        Ok(kills)
    }

    /// What opens the payloads of both engines.
    ///
    /// # Errors
    ///
    /// If a secret is none.
    pub fn openers(&self) -> Result<[Opener; 2]> {
        Ok([self.first.opener()?, self.second.opener()?])
    }

    /// Stops both.
    ///
    /// # Errors
    ///
    /// If one had to be killed.
    pub fn stop(mut self) -> Result<()> {
        let first = self.first.stop();
        self.second.stop().and(first)
    }
}
