//! The tag of a client connection, on its way out and back in (SPEC 4, ADR 0016).
//!
//! A tag that does not open counts for nothing: the request is decided with what it says itself. That
//! is said at debug, since it speaks of one request.

use std::io;
use std::net::IpAddr;

use eg_policy::client::Earlier;
use eg_policy::moment::Moment;
use eg_proto::{PortalSecret, Standing, Tag, TagOpener, TagSealer, Wear};

use crate::convert::earlier_of;
use crate::portal_link::{Drawn, count_on, seconds};

/// One worker's sealing of tags.
#[derive(Debug)]
pub(crate) struct TagWriter {
    sealer: TagSealer,
    nonce: [u8; 12],
    text: Vec<u8>,
}

/// One worker's reading of tags; it keeps what the last one said.
#[derive(Debug)]
pub(crate) struct TagReader {
    opener: TagOpener,
    host: String,
    sni: String,
}

impl TagWriter {
    /// A writer under a salt of its own.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub(crate) fn new(secret: &PortalSecret) -> io::Result<Self> {
        let Drawn { salt, nonce } = Drawn::draw()?;
        let text = Vec::with_capacity(eg_proto::limits::TAG_TEXT_BYTES_MAX * 2);
        Ok(Self { sealer: TagSealer::new(secret, salt), nonce, text })
    }

    /// The sealed tag; empty where there is nothing to say, or where it cannot be sealed: then later
    /// questions are decided with what they say themselves.
    pub(crate) fn write(&mut self, tag: Option<Tag<'_>>) -> &[u8] {
        self.text.clear();
        if let Some(tag) = tag {
            if self.sealer.wear() == Wear::Worn
                && let Ok(Drawn { salt, nonce }) = Drawn::draw()
            {
                self.sealer.renew(salt);
                self.nonce = nonce;
            }
            if let Err(fault) = self.sealer.seal(&tag, count_on(&mut self.nonce), &mut self.text) {
                tracing::debug!(%fault, "a client connection goes on without a tag");
            }
        }
        &self.text
    }
}

impl TagReader {
    /// A reader of what these secrets sealed.
    pub(crate) fn new(current: PortalSecret, previous: Option<PortalSecret>) -> Self {
        let opener = TagOpener::new(current, previous);
        Self { opener, host: String::new(), sni: String::new() }
    }

    /// What the tag says, where it counts, and whether the connection was refused.
    pub(crate) fn read(
        &mut self,
        tag: Option<&[u8]>,
        client: IpAddr,
        now: Moment,
    ) -> (Option<Earlier<'_>>, Standing) {
        let Self { opener, host, sni } = self;
        let ignored = |fault: &dyn std::fmt::Display| {
            tracing::debug!(%client, %fault, "the tag of a client connection is ignored");
        };
        let opened = tag.map(|tag| opener.open(tag, client.to_canonical(), seconds(now)));
        let tag = match opened {
            None => return (None, Standing::Passed),
            Some(Err(fault)) => {
                ignored(&fault);
                return (None, Standing::Passed);
            }
            Some(Ok(tag)) => tag,
        };
        let earlier = earlier_of(&tag, host, sni).inspect_err(|fault| ignored(fault)).ok();
        (earlier, tag.standing)
    }
}
